"""The Chinese of `netecho watch` and `netecho report`."""

WATCH = {
    # --help
    "watch many targets at once, for as long as wanted": "同时监视许多目标，想看多久就看多久",
    "draw a recording of a watch": "把监视记录画成图",
    "[tcp://|udp://|stamp://]HOST[:PORT]; tcp if nothing else is said": (
        "[tcp://|udp://|stamp://]HOST[:PORT]；不写协议时为 tcp"
    ),
    "targets, one a line: URL [LABEL] [option=value ...]; may be repeated": (
        "目标文件，一行一个：URL [LABEL] [option=value ...]；可多次使用"
    ),
    "UDP for targets that do not say what they are": "没有写协议的目标用 UDP",
    "the same with STAMP, port 862": "没有写协议的目标用 STAMP，端口 862",
    "seconds between the probes of a target (default: 1)": "同一目标两次发送之间的秒数（默认 1）",
    "payload (default: 56, STAMP 44)": "载荷字节数（默认 56，STAMP 为 44）",
    "stop after N probes of each target (default: never; with --check {count})": (
        "每个目标发送 N 次后停止（默认不停；--check 时为 {count}）"
    ),
    "one JSON object a probe and an event": "每次发送和每个事件输出一个 JSON 对象",
    "the same in a file, for netecho report": "同上，写入文件，供 netecho report 使用",
    "a row a probe in a file": "每次发送在文件中写一行 CSV",
    "a line an event, added to a file": "每个事件在文件末尾添加一行",
    "serve a page with charts that live (ADDR: loopback)": "提供实时图表的网页（ADDR 默认为回环地址）",
    "serve OpenMetrics for Prometheus and its like": "提供 OpenMetrics，供 Prometheus 等抓取",
    "beyond it is a warning, as in 50ms,5%%": "超过它为警告，例如 50ms,5%%",
    "beyond it is critical": "超过它为严重",
    "probe a little, and write the line of a monitoring plugin": "探测几次，输出监控插件格式的一行",
    "ring when a target is lost": "目标失联时响铃",
    "run a program, without a shell, when a target is lost; fields: {fields}": (
        "目标失联时直接运行程序，不经过 shell；可用的字段：{fields}"
    ),
    "the same when it answers again": "目标恢复时运行程序",
    "exit status: 0 all answer, 1 a target is lost, 64 usage; with thresholds 0 OK, 1 WARNING, "
    "2 CRITICAL, 3 UNKNOWN.": (
        "退出状态：0 全部应答，1 有目标失联，64 用法错误；设了阈值时 0 正常，1 警告，2 严重，3 未知。"
    ),
    "a table that lives; q: the end": "实时更新的表格；按 q 结束",
    "many, and a recording for netecho report": "许多目标，并记录下来供 netecho report 使用",
    "a check for Nagios or Icinga": "用于 Nagios 或 Icinga 的检查",
    "run a program when it is lost": "失联时运行程序",
    "what netecho watch --record has written": "netecho watch --record 写出的文件",
    "the file to make: .html, .svg or .png": "要生成的文件：.html、.svg 或 .png",
    "exit status: 0 it is made, 1 it is not, 64 usage.": "退出状态：0 已生成，1 没有生成，64 用法错误。",
    "a page that needs no network": "不需要网络的网页",
    "a picture; needs CairoSVG": "图片；需要 CairoSVG",
    # targets
    "{url} is there already, and is watched once": "{url} 已经有了，只监视一次",
    "the label {label!r} is that of {url}": "标签 {label!r} 已用于 {url}",
    "not UTF-8": "不是 UTF-8",
    "a quotation mark is missing": "缺少引号",
    "a second label: {text!r}": "多余的标签：{text!r}",
    "no option {name!r}; they are {names}": "没有选项 {name!r}；可用的有 {names}",
    "not a valid value": "值无效",
    "at least {least} s": "至少 {least} 秒",
    "{text!r}: no such scheme; there are {names}": "{text!r}：没有这个协议；可用的有 {names}",
    "{option} takes [ADDR:]PORT, not {text!r}": "{option} 的形式是 [ADDR:]PORT，不是 {text!r}",
    "there is nothing to watch": "没有要监视的目标",
    "name a target, as in netecho watch udp://localhost": "请给出目标，例如 netecho watch udp://localhost",
    # events
    "{label} answers, {ms} ms": "{label} 有应答，{ms} ms",
    "{label} is back after {after}, {count} lost": "{label} 已恢复，中断 {after}，丢失 {count}",
    "{label} is lost: {reason}": "{label} 失联：{reason}",
    "{label}: cannot resolve {host!r}: {reason}": "{label}：无法解析主机名 {host!r}：{reason}",
    "its name has no address": "主机名没有地址",
    "cannot write {path}: {reason}; the watch goes on without it": "无法写入 {path}：{reason}；监视继续进行",
    "cannot run {program}: {reason}": "无法运行 {program}：{reason}",
    "{program} has ended with status {status}": "{program} 以状态 {status} 结束",
    "cannot listen on {where}: {reason}; it is tried again": "无法监听 {where}：{reason}；将会重试",
    "serving {paths}": "已提供 {paths}",
    "--metrics needs the library prometheus-client": "--metrics 需要 prometheus-client 库",
    # table, charts and pages
    "target": "目标",
    "last ms": "最近 ms",
    "jitter": "抖动",
    "loss 1m": "1分钟",
    "loss": "丢失",
    "longest outage": "最长中断",
    "probes": "次数",
    "{count} targets": "{count} 个目标",
    "{count} targets, {down} lost": "{count} 个目标，失联 {down}",
    "the {count} of {total} targets with most trouble": "{total} 个目标中问题最多的 {count} 个",
    "{count} targets, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}": (
        "{count} 个目标，{first:%Y-%m-%d %H:%M:%S} 至 {last:%Y-%m-%d %H:%M:%S}"
    ),
    "up, down choose  Enter chart  q end": "上下键选择  Enter 图表  q 结束",
    "Esc back  q end": "Esc 返回  q 结束",
    "no answer so far": "还没有应答",
    "netecho watch does not answer: these are its last figures": "netecho watch 没有应答：这是最后的数据",
    # reports
    "cannot read {path}: {reason}": "无法读取 {path}：{reason}",
    "cannot write {path}: {reason}": "无法写入 {path}：{reason}",
    "{path} is no recording of a watch": "{path} 不是监视记录",
    "make one: netecho watch --record FILE TARGET": "这样记录：netecho watch --record FILE TARGET",
    "{place}: no record; lines left out: {count}": "{place}：不是记录；略去的行数：{count}",
    "{path}: what is it to be? the suffixes are {names}": "{path}：要生成什么？可用的后缀有 {names}",
    "PNG needs the library CairoSVG; SVG and HTML need nothing": (
        "PNG 需要 CairoSVG 库；SVG 和 HTML 什么都不需要"
    ),
}
