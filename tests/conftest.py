"""What all tests share: texts in English, whatever the locale of whoever runs them."""

import os

os.environ["NETECHO_LANG"] = "en"
