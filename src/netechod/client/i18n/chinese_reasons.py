"""The Chinese of reasons that the C library, the kernel and the server tell in English."""

import re

REASONS = {
    # strerror(3)
    "Permission denied": "权限不够",
    "Operation not permitted": "不允许的操作",
    "No such file or directory": "没有那个文件或目录",
    "Is a directory": "是一个目录",
    "Not a directory": "不是目录",
    "No such device": "没有这个设备",
    "No such device or address": "没有那个设备或地址",
    "Input/output error": "输入/输出错误",
    "Bad file descriptor": "文件描述符无效",
    "Invalid argument": "无效的参数",
    "Too many open files": "打开的文件过多",
    "No space left on device": "设备上没有空间",
    "Disk quota exceeded": "超出磁盘限额",
    "File too large": "文件过大",
    "Message too long": "消息过长",
    "No buffer space available": "没有可用的缓冲区空间",
    "Address family not supported by protocol": "协议不支持的地址族",
    "Cannot assign requested address": "无法指定被请求的地址",
    "Network is down": "网络已关闭",
    "Network is unreachable": "网络不可达",
    "No route to host": "没有到主机的路由",
    "Host is down": "主机已关闭",
    "Connection reset by peer": "连接被对方重置",
    "Connection refused": "连接被拒绝",
    "Connection timed out": "连接超时",
    "Broken pipe": "断开的管道",
    "Protocol error": "协议错误",
    # gai_strerror(3)
    "Name or service not known": "未知的名称或服务",
    "Temporary failure in name resolution": "域名解析暂时失败",
    "Non-recoverable failure in name resolution": "域名解析失败，不可恢复",
    "No address associated with hostname": "主机名没有对应的地址",
    "Address family for hostname not supported": "不支持该主机名的地址族",
    "ai_family not supported": "不支持的地址族",
    "System error": "系统错误",
    # the rules of chat texts, and what the room says
    "not UTF-8": "不是 UTF-8",
    "control character {code}": "含有控制字符 {code}",
    "longer than {limit} bytes": "超过 {limit} 字节",
    "{size} bytes, at most {limit}": "有 {size} 字节，最多 {limit} 字节",
    "message refused: {why}": "消息被拒绝：{why}",
    "the room is full": "聊天室已满",
    "too many members from your address": "来自您的地址的成员过多",
    # key files
    "{path}: is not UTF-8": "{path}：不是 UTF-8",
    "{path}: has no keys": "{path}：没有密钥",
    "{path}: is not a regular file": "{path}：不是普通文件",
    "{path}: is larger than {size} bytes": "{path}：超过 {size} 字节",
    "{path}: has mode {mode}, others can use it": "{path}：权限为 {mode}，别人也能使用",
    "{path}: belongs to user {uid}": "{path}：属于用户 {uid}",
    "{place}: the id {key} stands there twice": "{place}：标识 {key} 出现了两次",
    "{place}: is not <key id> <secret>, two words": "{place}：不是“<标识> <密钥>”两个词",
    "{place}: a key id has 1 to 32 of a-z, 0-9 and -": "{place}：标识由 1 到 32 个 a-z、0-9 和 - 组成",
    "a line of it is <key id> <secret>": "每行的形式是 <标识> <密钥>",
    "it has to belong to {wanted}: chown": "它必须属于 {wanted}：chown",
    "{path}: {why}": "{path}：{why}",
}
"""Reasons by their English. A `{field}` stands for any text, which is translated if it is a reason itself."""


def translated(text: str) -> str:
    """Return the Chinese of a reason, whose first letter may be small; `text` itself if it is not known."""
    for known in (text, text.capitalize()):
        if known in REASONS:
            return REASONS[known]
    for english, chinese in REASONS.items():
        if "{" in english and (found := _pattern(english).fullmatch(text)):
            fields = {name: translated(value) for name, value in found.groupdict().items()}
            return chinese.format(**fields)
    return text


def _pattern(english: str) -> re.Pattern[str]:
    """Return the pattern of the texts that a template can make."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(english)))
