"""The Chinese of everything that `netecho` says to people. A test finds texts that are missing or left over.

The prompts are those of the tutorials' clients, to the byte. The texts of --help are in `chinese_help`,
those of the watch in `chinese_watch`.
"""

from netechod.client.i18n.chinese_help import HELP
from netechod.client.i18n.chinese_watch import WATCH

TEXTS = HELP | {
    **WATCH,
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
    # whoami
    "the server does not say who it is": "服务器没有说明自己是谁",
    'it needs echo.tcp.mode or echo.udp.mode = "identify"': (
        '那边需要设置 echo.tcp.mode 或 echo.udp.mode = "identify"'
    ),
    "{answered} of {asked} answered; servers: {servers}": (
        "{asked} 次中有 {answered} 次得到应答；服务器数：{servers}"
    ),
    # ping
    "{size} bytes": "{size} 字节",
    "every {ms:g} ms": "每 {ms:g} 毫秒一次",
    "every {seconds:g} s": "每 {seconds:g} 秒一次",
    "#{number}  waiting": "#{number}  等待中",
    "no answer within {seconds:.3g} s": "{seconds:.3g} 秒内没有应答",
    "refused": "被拒绝",
    "connection reset": "连接被重置",
    "connection closed by the server": "服务器关闭了连接",
    "connection given up": "已放弃这个连接",
    "unreachable": "无法到达",
    "TTL exceeded": "TTL 耗尽",
    "silent": "没有应答",
    "{address} is passed over ({why}): {other} answers": "跳过 {address}（{why}）：{other} 有应答",
    "{address} does not answer; {host} has also {others}": "{address} 没有应答；{host} 还有地址 {others}",
    "cannot send from {source}: {reason}": "无法从 {source} 发送：{reason}",
    "an address of this machine, or an interface: {names}": "请指定本机的地址或网络接口：{names}",
    "host": "主机",
    "sent": "发送",
    "received": "收到",
    "lost": "丢失",
    "too long for the path": "超过路径允许的长度",
    "prohibited": "被禁止",
    "duplicate": "重复",
    " (told by {address})": "（由 {address} 告知）",
    "too late": "太迟",
    "out of order": "乱序",
    "duplicated {count}": "重复 {count}",
    "reordered {count}": "乱序 {count}",
    "corrupted {count}": "损坏 {count}",
    "lost {count}": "丢失 {count}",
    ", ": "，",
    "{count} sent": "发送 {count}",
    "{count} received": "收到 {count}",
    "{count} lost ({percent:.1f} %)": "丢失 {count} ({percent:.1f} %)",
    "{count} under way": "途中 {count}",
    "{count} too late": "太迟 {count}",
    "{count} duplicated": "重复 {count}",
    "{count} reordered": "乱序 {count}",
    "{count} B corrupted": "损坏 {count} 字节",
    "{count} not ours": "无关 {count}",
    "{seconds:.1f} s": "用时 {seconds:.1f} 秒",
    "RTT ms": "往返 ms",
    "min": "最小",
    "avg": "平均",
    "p50": "中位",
    "max": "最大",
    "mdev": "偏差",
    "times of arrival are the kernel's": "到达时间由内核记录",
    "times of arrival are this program's: the kernel tells none": "到达时间由本程序记录：内核没有提供",
    "times of arrival are partly the kernel's, partly this program's": (
        "到达时间部分由内核、部分由本程序记录"
    ),
    "; connected in {ms} ms": "；建立连接用时 {ms} ms",
    "is netechod running there? on that machine: netechoctl status": (
        "那边的 netechod 在运行吗？请在那台机器上执行：netechoctl status"
    ),
    "SWEEP {where}, payloads of {low} to {high} bytes": "SWEEP {where}，载荷 {low} 到 {high} 字节",
    "{size:>7} bytes  {received} of {sent}": "{size:>7} 字节  {received}/{sent}",
    "this machine": "本机",
    ": MTU {mtu}, told by {reporter}": "：MTU {mtu}，由{reporter} 告知",
    "every size up to {size} bytes comes back": "{size} 字节以内都能返回",
    "{size} bytes come back, {more} do not": "{size} 字节能返回，{more} 字节不能",
    "packets of {size} bytes pass whole, no larger ones": "整包最大可通过 {size} 字节",
    "nobody on the path says so: larger ones vanish without a word": "路径上没有人告知：更大的包无声消失",
    # dict
    "did you mean {words}?": "您要查的是不是 {words}？",
    "the server has no such dictionary": "服务器没有这本词典",
    "the server has no such strategy": "服务器没有这种匹配方式",
    "it has {names}": "可用的有：{names}",
    "the server says: {answer}": "服务器答复：{answer}",
    "only dict://HOST[:PORT]/: words stand behind it": "只能写成 dict://HOST[:PORT]/，单词写在后面",
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
    # ping --stamp
    ": {forward} forward, {backward} backward": "：去程 {forward}，回程 {backward}",
    ", {count} unknown": "，方向不明 {count}",
    "forward ms": "去程 毫秒",
    "backward ms": "回程 毫秒",
    "jitter ms": "抖动 毫秒",
    "forward": "去程",
    "backward": "回程",
    "forward {ms}": "去 {ms}",
    "backward {ms}": "回 {ms}",
    "(reflector {ms})": "（反射器 {ms}）",
    "{before} hops -> {now}": "{before} 跳 -> {now} 跳",
    "{before} hops back -> {now}": "回程 {before} 跳 -> {now} 跳",
    "above its least: {first}": "高出最小值：{first}",
    "{name}, above its least": "{name}，高出最小值",
    "{ms} ms in the reflector taken off (p99 {p99})": "已扣除反射器内停留 {ms} 毫秒（p99 {p99}）",
    "{forward} hops forward, {backward} backward": "跳数 去程 {forward}，回程 {backward}",
    "{backward} hops backward": "跳数 回程 {backward}",
    "; ": "；",
    "clocks: {claims}; {offset}": "时钟：{claims}；{offset}",
    "the reflector's counts as PTP does: no absolute delays": "反射器使用 PTP 格式的时间：没有绝对时延",
    "neither is synchronized: no absolute delays": "双方都没有同步：没有绝对时延",
    "ours is not synchronized: no absolute delays": "本机没有同步：没有绝对时延",
    "the reflector's is not synchronized: no absolute delays": "反射器没有同步：没有绝对时延",
    "both claim to be synchronized to {error} ms, but {count} packets came {ms} ms before they left: "
    "not believed": "都自称同步到 {error} 毫秒以内，但有 {count} 个包比发出早 {ms} 毫秒到达：不可信",
    "both synchronized, but errors of {error} ms say nothing about delays of {delay} ms": (
        "双方都已同步，但 {error} 毫秒的误差说明不了 {delay} 毫秒的时延"
    ),
    "both synchronized, errors {theirs} and {ours} ms": "双方都已同步，误差 {theirs} 和 {ours} 毫秒",
    "the clocks drift, or were set": "两个时钟有漂移或被调整过",
    "it": "它",
    "the reflector's": "反射器",
    "{clock} is {least} to {most} ms ahead of ours": "{clock}比本机快 {least} 到 {most} 毫秒",
    "{clock} is {least} to {most} ms behind ours": "{clock}比本机慢 {least} 到 {most} 毫秒",
    "{clock} is between {most} ahead and {least} behind": "{clock}的偏差在快 {most} 和慢 {least} 毫秒之间",
    "clocks: ours was set during the run; {count} probes left out": (
        "时钟：测量期间本机时钟被调整，略去 {count} 次"
    ),
    "{count} answers tell no usable times: round trips alone": "{count} 个应答没有可用的时间：只有往返时间",
    "the reflector does not count: losses have no direction": "反射器不计数：丢失没有方向",
    "answers came in another traffic class": "应答的流量类别不同",
    "a reflector answers trusted networks alone unless stamp.public is set there": (
        "反射器只应答受信任的网络，除非那边设置了 stamp.public"
    ),
    "cannot send from port {port}: {reason}": "无法从端口 {port} 发送：{reason}",
    # names and log of the chat
    "a name takes 1 to {most} columns": "名字的宽度应为 1 到 {most} 列",
    "a name begins with a letter": "名字须以文字开头",
    "a name has letters, digits, - and _: not {char}": "名字只能含文字、数字、- 和 _，不能含 {char}",
    "two dashes are for addresses": "连续两个 - 只用于地址",
    "a name has no characters that are drawn over one another": "名字不能含叠写的字符",
    "a name mixes no alphabets": "名字不能混用不同的字母表",
    "such as: /nick ann": "例如：/nick 小明",
    "you are {nick} now": "您现在叫 {nick}",
    "{member} is {nick} now": "{member} 现在叫 {nick}",
    "; somebody else has a name like that: addresses are shown": "；别人有相似的名字：同时显示地址",
    "you are {nick}, at {address}": "您叫 {nick}，地址是 {address}",
    "you have no name, only {address}: /nick NAME": "您没有名字，只有地址 {address}：/nick 名字",
    "there are no private messages": "没有私聊",
    "UDP hides nothing, and a name proves nothing": "UDP 不能保密，名字也不能证明身份",
    "have this name": "使用这个名字",
    "write the conversation to a file, with dates": "把聊天内容连同日期写入文件",
    "nothing is logged: /log FILE": "没有记录：/log 文件",
    "the log is {file}; /log off ends it": "记录写入 {file}；/log off 停止",
    "cannot write the log {file}: {reason}": "无法写入聊天记录 {file}：{reason}",
    "the conversation goes on without it": "聊天继续，不再记录",
    # run
    "no key: {reason}": "没有密钥：{reason}",
    "no key {key_id!r} in {path}": "{path} 中没有密钥 {key_id!r}",
    "its keys are {ids}": "其中的密钥有：{ids}",
    "address, key and clock have to be right; the command may have run all the same": (
        "地址、密钥和时钟都必须正确；命令也可能已经执行"
    ),
    "{missing} of {expected} parts of the answer are lost": "应答的 {expected} 个部分丢失了 {missing} 个",
    "the command has run; what is shown is the beginning of its output": (
        "命令已经执行；显示的只是输出的开头"
    ),
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
    # addresses, text and names
    "the name server is silent": "域名服务器没有应答",
    "use an address, or be more patient: --timeout 10": "请直接用 IP 地址，或者多等一会儿：--timeout 10",
    "is this a broadcast address? ask the server at its own address": (
        "这是广播地址吗？请直接询问服务器自己的地址"
    ),
    "is there an interface {name!r}? the interfaces are {names}": (
        "有 {name!r} 这个网络接口吗？现有的接口：{names}"
    ),
    "{host} is a multicast or broadcast address: no server answers from there": (
        "{host} 是组播或广播地址：没有服务器会从那里应答"
    ),
    "ask the server at its own address": "请直接询问服务器自己的地址",
    "{host} is a link-local address: %interface is missing": "{host} 是链路本地地址：缺少 %接口",
    "such as {example}; the interfaces are {names}": "例如 {example}；现有的接口：{names}",
    "with a port, an IPv6 address stands in brackets: [{address}]:{port}": (
        "带端口的 IPv6 地址要写在方括号里：[{address}]:{port}"
    ),
    "the input is UTF-16": "输入是 UTF-16 编码",
    "convert it: iconv -f UTF-16 -t UTF-8": "请转换：iconv -f UTF-16 -t UTF-8",
    "{host} is at {address} now": "{host} 现在的地址是 {address}",
    "{word}: cut at {size} bytes": "{word}：在 {size} 字节处被截断",
    "the whole, where the server has DICT: --whole; on its machine: netechoctl dict lookup {word}": (
        "完整内容：服务器支持 DICT 时用 --whole，或在服务器上运行 netechoctl dict lookup {word}"
    ),
    "no answer for {word!r}: it is what the server answers for a miss": (
        "{word!r} 没有应答：服务器用它表示查不到"
    ),
    "typed before the prompt, and not said: {text}": "在提示符出现之前输入的，没有发送：{text}",
    "no key: there is no home directory to look for one": "没有密钥：没有主目录可供查找",
    "name the file: --key-file FILE": "请指定文件：--key-file FILE",
}
