"""Pictures for the pages, drawn as SVG: programs in real terminals, and the rooms of the source tree."""
