"""The Chinese of the command line: the texts of --help, and of usage errors."""

HELP = {
    "Talk to the services of netechod.": "与 netechod 的各项服务通信。",
    "exit status: 0 answered, 1 unanswered, refused, or a word is missing, 64 usage, 130 interrupted.": (
        "退出状态：0 得到应答，1 无应答、被拒绝或查无此词，64 用法错误，130 被中断。"
    ),
    "examples:": "示例：",
    "commands": "命令",
    "options and examples of a command": "某个命令的选项和示例",
    "the same in Chinese": "中文的帮助",
    "send lines or a stream and show what comes back": "发送文本行或数据流，并显示返回的内容",
    "ask who answers, and from which address you ask": "询问应答者是谁，以及它看到的你的地址",
    "ask N times, each time from another port, and count who answers (default: 1)": (
        "询问 N 次，每次换一个端口，并统计应答者（默认 1 次）"
    ),
    "one JSON object": "一个 JSON 对象",
    "the server, and your address as it sees it": "服务器，以及它看到的你的地址",
    "how a load balancer shares the questions out": "负载均衡器如何分配询问",
    "measure how long an echo takes, and what gets lost": "测量回显的往返时间和丢失",
    "exit status: 0 all answered as it was sent, 1 something lost or corrupted, 64 usage.": (
        "退出状态：0 全部原样返回，1 有丢失或损坏，64 用法错误。"
    ),
    "a line that lives; Enter: a summary; Ctrl-C: the end": "实时更新的一行；Enter 显示小结，Ctrl-C 结束",
    "UDP, and how the times are spread": "UDP，并显示时间分布",
    "which sizes pass the path whole": "多大的数据报可以不分片通过",
    "for a program": "供程序使用",
    "use UDP instead of TCP": "用 UDP 代替 TCP",
    "stop after N probes (default: never)": "发送 N 次后停止（默认不停）",
    "seconds between probes, {least} at least (default: 1)": "两次发送之间的秒数，至少 {least}（默认 1）",
    "payload, {least} to {most} bytes (default: {usual})": "载荷，{least} 到 {most} 字节（默认 {usual}）",
    "find the largest payload that comes back, over UDP in one packet": (
        "找出能返回的最大载荷；UDP 时不分片"
    ),
    "stop after so many seconds, whatever is under way": "这么多秒后停止，不等途中的应答",
    "show how the times are spread": "显示时间分布",
    "a line a probe, on a terminal too": "每次发送输出一行，在终端上也是",
    "only the summary": "只输出小结",
    "one JSON object at the end": "结束时输出一个 JSON 对象",
    "one JSON object an event, for programs": "每个事件输出一个 JSON 对象，供程序使用",
    "draw with characters that every font has": "只用任何字体都有的字符画图",
    "{text} s: at least {least} s are between probes, not to flood": (
        "{text} 秒：两次发送之间至少 {least} 秒，以免造成洪泛"
    ),
    "{text}: a payload has {least} to {most} bytes": "{text}：载荷应为 {least} 到 {most} 字节",
    "more hosts, probed side by side; one summary for all": "更多主机，同时测量，合并小结",
    "several hosts, in one table": "几台主机，结果列成一张表",
    "send from this address, or through this interface": "从这个地址或网络接口发送",
    "TTL of the packets, 1 to 255 (default: the system's)": "数据包的 TTL，1 到 255（默认由系统决定）",
    "a line a probe, with date and time of day": "每次发送输出一行，带日期和时间",
    "ring the bell for each answer": "每收到一个应答就响铃",
    "--sweep is for one host": "--sweep 只能用于一台主机",
    "--source-port is for one host": "--source-port 只能用于一台主机",
    "{count} hosts: at most {most} at once": "{count} 台主机：一次最多 {most} 台",
    "{source} is of the other IP version": "{source} 是另一个 IP 版本的地址",
    "probe a STAMP or TWAMP Light reflector, port 862: which direction is slow, and which loses": (
        "测量 STAMP 或 TWAMP Light 反射器（端口 862）：哪个方向慢，哪个方向丢失"
    ),
    "with --stamp": "用于 --stamp",
    "session id, 1 to 65535; answers without it are not ours (default: the key's, or one by lot)": (
        "会话标识，1 到 65535；不带它的应答不算（默认取密钥的标识，否则随机）"
    ),
    "content of what -s adds (default: random)": "-s 增加的内容（默认 random）",
    "traffic class: EF, AF41, CS6 or 0 to 63 (default: 0)": "流量类别：EF、AF41、CS6 或 0 到 63（默认 0）",
    "port that the probes leave from": "发送探测包的端口",
    "sign the probes with a key of this file": "用这个文件中的密钥签名",
    "a router, by direction": "测量路由器，分方向",
    "--sweep is for the echo services": "--sweep 只用于回显服务",
    "--key is for --key-file": "--key 须与 --key-file 一起使用",
    "{size}: --stamp sends {least} bytes, or {more} and more": (
        "{size}：--stamp 发送 {least} 字节，或 {more} 字节以上"
    ),
    "whole meanings, asked over DICT (TCP port {port}), as for dict://HOST/": (
        "完整的释义，用 DICT 协议查询（TCP 端口 {port}），同 dict://HOST/"
    ),
    "the same, in this dictionary of the server's (default: all)": "同上，只查服务器的这本词典（默认全部）",
    "words that are like it, over DICT: {names} ...": "用 DICT 协议查相近的单词：{names} 等",
    "all that the dictionaries of the server say": "服务器所有词典的释义",
    "the words that begin so": "以此开头的单词",
    "look words up": "查单词",
    "come online, talk, go offline": "上线，聊天，下线",
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
    "lines only, no control of the screen": "只输出文本行，不控制屏幕",
    "ring the bell for this word, too, besides your own name; may be repeated": (
        "除自己的名字外，提到这个词时也响铃；可多次使用"
    ),
    "what /dict asks (default: port {port} of the same host)": (
        "/dict 查询的服务器（默认同一主机的端口 {port}）"
    ),
    "the name that others see (default: $NETECHO_NICK)": "别人看到的名字（默认 $NETECHO_NICK）",
    "append the conversation to a file, with dates": "把聊天内容连同日期追加到文件",
    "a screen, for a person": "给人用的聊天界面",
    "say one thing, and leave": "说一句话就离开",
    "for a program: what it hears and says, in JSON": "供程序使用：以 JSON 表示听到和说出的内容",
    "see {program} --help": "见 {program} --help",
    "did you mean {name!r}?": "是不是 {name!r}？",
    "the commands are {names}": "命令有：{names}",
    "unknown command {name!r}": "没有命令 {name!r}",
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
    "{text!r} begins with a dash that is no hyphen": "{text!r} 开头的不是连字符 -",
    "did you mean {name}?": "是不是 {name}？",
    "unrecognized arguments: {arguments}": "多余的参数：{arguments}",
    "a port stands behind the host: {name}:{port}": "端口写在主机后面：{name}:{port}",
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
"""The texts of argparse, by their English."""
