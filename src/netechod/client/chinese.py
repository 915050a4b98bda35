"""The Chinese of everything that `netecho` says to people; a test finds what is missing here, or left over.

The prompts are those of the tutorials' clients, to the byte.
"""

TEXTS = {
    # prompts and answers
    "echo> ": "Please Enter#",
    "{text}": "server 回显# {text}",
    "word> ": "Please Enter#",
    "{word}: {text}": "翻译的结果为:{text}",
    "say> ": "Enter# ",
    # trouble
    "error:": "错误:",
    "hint: {hint}": "提示：{hint}",
    "cannot resolve {host!r}: {reason}": "无法解析主机名 {host!r}：{reason}",
    "check the spelling, and -4 or -6": "请检查拼写，以及 -4 或 -6 选项",
    "not a host name": "不是主机名",
    "no HOST[:PORT]: {text!r}": "不是 HOST[:PORT] 的形式：{text!r}",
    "no host in {text!r}": "{text!r} 中没有主机名",
    "no port between 1 and 65535: {text!r}": "端口须在 1 到 65535 之间：{text!r}",
    "connection refused by {where}": "{where} 拒绝连接",
    "is netechod running there, and on this port?": "那边的 netechod 在运行吗？端口对吗？",
    "unanswered: {where} is silent": "{where} 没有应答",
    "check the address and the firewall, or be more patient: --timeout 5 --retries 4": (
        "请检查地址和防火墙，或者多等一会儿：--timeout 5 --retries 4"
    ),
    "check the address and the network": "请检查地址和网络",
    "cannot write the output: {reason}": "无法写出结果：{reason}",
    "standard input and output must be open": "标准输入和标准输出必须打开",
    "redirect them: </dev/null >/dev/null": "请重定向：</dev/null >/dev/null",
    # echo
    "UDP echo answers trusted networks alone (access.trusted) unless echo.udp.public is set there": (
        "UDP 回显只应答受信任的网络（access.trusted），除非那边设置了 echo.udp.public"
    ),
    "not the same: byte {place} was {sent:#04x} and came back as {received:#04x}": (
        "内容不一致：第 {place} 字节发出时是 {sent:#04x}，返回时是 {received:#04x}"
    ),
    "not the same: {sent} bytes were sent and {received} came back": (
        "内容不一致：发出 {sent} 字节，返回 {received} 字节"
    ),
    "the server closed the connection": "服务器关闭了连接",
    "the server closed the connection early, {missing} bytes short": (
        "服务器过早关闭了连接，还差 {missing} 字节"
    ),
    # dict
    "a word of {size} bytes: a datagram holds {most}": "单词有 {size} 字节，而一个数据报最多 {most} 字节",
    "no answer for {word!r}": "{word!r} 没有应答",
    "unknown": "未收录",
    "{words} words, {rate:.0f} a second": "{words} 个词，每秒 {rate:.0f} 个",
    "{percent:.0%}  {words} words, {left:.0f} s left": "{percent:.0%}  {words} 个词，还需 {left:.0f} 秒",
    "a word has 1 to {most} bytes, this one {size}": "单词应为 1 到 {most} 字节，这个有 {size} 字节",
    # chat
    "message not sent: {why}": "消息没有发送：{why}",
    "no receipt, perhaps nobody read it: {text}": "没有回执，可能没人看到：{text}",
    "is the server still there?": "服务器还在吗？",
    "lines that were not said any more: {count}": "没能发出的行数：{count}",
    "cut off from the room, trying to return: {why}": "与聊天室的连接断了，正在重新上线：{why}",
    "it does not know us any more": "它已不认识我们",
    "it has put us offline": "它把我们下线了",
    "no answer": "没有应答",
    "nobody listens there": "那边没有程序在监听",
    "back in the room after {seconds:.1f} s": "已重新上线，中断了 {seconds:.1f} 秒",
    "back in the room, which had lost us": "聊天室曾丢失我们，现已重新上线",
    "the room answers within {ms:.1f} ms": "聊天室在 {ms:.1f} 毫秒内应答",
    "the room answers, but not at once": "聊天室应答了，但不是第一次就应答",
    "which word?": "查哪个词？",
    "such as: /dict apple": "例如：/dict apple",
    "no command /{name}": "没有命令 /{name}",
    "/help shows them; // at the start says /": "/help 列出所有命令；以 // 开头可以发送 /",
    "{name}, {seconds:.0f} s ago": "{name}，{seconds:.0f} 秒前",
    " (you)": "（您）",
    "seen since you came: {count}": "您上线以来见到的人：{count}",
    "who was seen, and when": "见到过谁，什么时候",
    "how long the room takes to answer": "聊天室多久应答",
    "look a word up": "查一个单词",
    "say what is still unsaid, and leave": "发完还没发出的消息，然后下线",
    "//text": "//文字",
    "says /text": "发送“/文字”",
    "cut off": "已断线",
    "online: {count}": "在线 {count}",
    "unsaid: {count}": "未送达 {count}",
    "and {count} more": "还有 {count} 条",
    "leaving, Ctrl-C drops what is unsaid": "正在下线，按 Ctrl-C 放弃未送达的消息",
    "Enter says {count} lines": "按 Enter 发送 {count} 行",
    "Tab completes, /help": "Tab 补全 · /help",
    # run
    "no key: {reason}": "没有密钥：{reason}",
    "no key {key_id!r} in {path}": "{path} 中没有密钥 {key_id!r}",
    "its keys are {ids}": "其中的密钥有：{ids}",
    "address, key and clock have to be right; the command may have run all the same": (
        "地址、密钥和时钟都必须正确；命令也可能已经执行"
    ),
    "{missing} of {expected} parts of the answer are lost": "应答的 {expected} 个部分丢失了 {missing} 个",
    "the command has run; what is shown is the beginning of its output": "命令已经执行；显示的只是输出的开头",
    "name and arguments must be UTF-8": "名称和参数必须是 UTF-8",
    "the request would have {size} bytes, at most {most} fit": "请求会有 {size} 字节，最多 {most} 字节",
    "refused: {why}": "被拒绝：{why}",
    "netecho run HOST --list shows what this key may run": (
        "netecho run HOST --list 显示这个密钥可以执行的命令"
    ),
    "the command took too long and was killed": "命令超时，已被终止",
    "the output is longer than the server sends: the rest of it is lost": (
        "输出超过服务器发送的上限：其余部分丢失"
    ),
    # the command line
    "Talk to the services of netechod.": "与 netechod 的各项服务通信。",
    "exit status: 0 answered, 1 unanswered, refused, or a word is missing, 64 usage, 130 interrupted.": (
        "退出状态：0 得到应答，1 无应答、被拒绝或查无此词，64 用法错误，130 被中断。"
    ),
    "examples:": "示例：",
    "commands": "命令",
    "options and examples of a command": "某个命令的选项和示例",
    "the same in Chinese": "中文的帮助",
    "send lines or a stream and show what comes back": "发送文本行或数据流，并显示返回的内容",
    "look words up": "查单词",
    "come online, talk, go offline": "上线，聊天，下线",
    "run a command of the server's, by its name": "按名称执行服务器上的命令",
    "the command's name": "命令的名称",
    "its arguments; -- comes before one with a dash": "命令的参数；以 - 开头的参数之前写 --",
    "show the names that the key may run, and their arguments": "显示密钥可以执行的命令及其参数",
    "the key to sign with (default: $NETECHO_KEY_FILE, then ~/.config/netecho/keys)": (
        "用来签名的密钥（默认 $NETECHO_KEY_FILE，其次 ~/.config/netecho/keys）"
    ),
    "which key of the file (default: the first)": "文件中的哪个密钥（默认第一个）",
    "seconds to wait for the command's end (default: 15)": "等待命令结束的秒数（默认 15）",
    "one JSON object with status and output": "输出一个 JSON 对象，含退出状态和输出",
    "either NAME or --list is needed": "需要 NAME 或 --list 之一",
    "exit status: the command's own, 124 it took too long, 126 refused, 75 too many run, 255 no answer.": (
        "退出状态：命令自己的；124 超时，126 被拒绝，75 同时执行的太多，255 没有应答。"
    ),
    "what the key may run": "密钥可以执行哪些命令",
    "run it": "执行",
    "a name, IPv4, ::1 or [::1]:{port}; port {port} if none": (
        "主机名、IPv4 地址、::1 或 [::1]:{port}；默认端口 {port}"
    ),
    "IPv4 only": "只用 IPv4",
    "IPv6 only": "只用 IPv6",
    "seconds to wait for each answer (default: 2)": "每次等待应答的秒数（默认 2）",
    "further tries of a lost datagram (default: 2)": "数据报丢失后再试的次数（默认 2）",
    "paint: on a terminal unless NO_COLOR is set (auto), always, never": (
        "着色：auto（在终端上，除非设置了 NO_COLOR）、always（总是）、never（从不）"
    ),
    "use UDP, one datagram a line, instead of TCP": "用 UDP 代替 TCP，一行一个数据报",
    "show nothing, but fail if something else comes back": "不显示内容，但返回的内容不同时报错",
    "a prompt": "交互提示",
    "what comes back, over UDP": "经 UDP 返回的内容",
    "does every byte come back?": "每个字节都回来了吗？",
    "default: those typed, one a line": "默认读取输入，一行一个",
    "one JSON object a word": "每个单词输出一个 JSON 对象",
    "what the server answers for no such word (default: {miss})": "服务器对查不到的词的回答（默认 {miss}）",
    "one word: its meaning alone, as for $(...)": "一个词：只输出词义，可用于 $(...)",
    "several: a table": "几个词：输出表格",
    "one a line: as fast as the server answers": "一行一个词：服务器有多快就多快",
    "a prompt, with history and Tab": "交互查询，有历史记录和 Tab 补全",
    "one JSON object an event, for programs": "每个事件输出一个 JSON 对象，供程序使用",
    "lines only, no control of the screen": "只输出文本行，不控制屏幕",
    "ring the bell for this word, too, besides your own name; may be repeated": (
        "除自己的名字外，提到这个词时也响铃；可多次使用"
    ),
    "what /dict asks (default: port {port} of the same host)": (
        "/dict 查询的服务器（默认同一主机的端口 {port}）"
    ),
    "a screen, for a person": "给人用的聊天界面",
    "say one thing, and leave": "说一句话就离开",
    "for a program: what it hears and says, in JSON": "供程序使用：以 JSON 表示听到和说出的内容",
    "see {program} --help": "见 {program} --help",
    "did you mean {name!r}?": "是不是 {name!r}？",
    "the commands are {names}": "命令有：{names}",
    "unknown command {name!r}": "没有命令 {name!r}",
}

ARGPARSE = {
    "usage: ": "用法：    ",  # of 7 characters, which parse_intermixed_args takes away unseen
    "positional arguments": "参数",
    "options": "选项",
    "show this help message and exit": "显示本帮助并退出",
    "show program's version number and exit": "显示版本并退出",
    "argument %(argument_name)s: %(message)s": "参数 %(argument_name)s：%(message)s",
    "the following arguments are required: %s": "缺少参数：%s",
    "unrecognized arguments: %s": "多余的参数：%s",
    "not allowed with argument %s": "不能与 %s 同时使用",
    "expected one argument": "需要一个值",
    "invalid choice: %(value)r (choose from %(choices)s)": "没有这个选择：%(value)r（可选 %(choices)s）",
    "invalid %(type)s value: %(value)r": "值无效：%(value)r",
    "ignored explicit argument %r": "这个选项没有值：%r",
}
"""What argparse says, by its own texts for gettext."""
