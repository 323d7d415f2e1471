"""URLs without what is secret in them, for messages; no server is asked."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

_HIDDEN = "***"
#: Characters of a part of a URL from which on it is taken out of what the driver says.
_SHORTEST = 3
#: Hosts with ports, addresses of IPv6 in brackets, escaped paths of sockets.
_HOSTS = re.compile(r"(?:(?:[\w.%-]*|\[[\w:.%]*\])(?::[0-9]{1,5})?(?:,|$))*")
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*")
_PATH = re.compile(r"(?:/[\w.%-]*)?")
_VALUE = re.compile(r"[\w.,:/%+\\-]+")
_OPTION = re.compile(r"[A-Za-z]{1,64}=.*|", re.DOTALL)
#: Options that hold no secret. https://www.mongodb.com/docs/manual/reference/connection-string/
_OPEN_OPTIONS = frozenset(
    {
        "appname",
        "authmechanism",
        "authsource",
        "compressors",
        "connecttimeoutms",
        "directconnection",
        "heartbeatfrequencyms",
        "journal",
        "loadbalanced",
        "localthresholdms",
        "maxconnecting",
        "maxidletimems",
        "maxpoolsize",
        "maxstalenessseconds",
        "minpoolsize",
        "proxyhost",
        "proxyport",
        "readconcernlevel",
        "readpreference",
        "readpreferencetags",
        "replicaset",
        "retryreads",
        "retrywrites",
        "servermonitoringmode",
        "serverselectiontimeoutms",
        "sockettimeoutms",
        "srvmaxhosts",
        "srvservicename",
        "ssl",
        "timeoutms",
        "tls",
        "tlsallowinvalidcertificates",
        "tlsallowinvalidhostnames",
        "tlscafile",
        "tlscertificatekeyfile",
        "tlscrlfile",
        "tlsdisableocspendpointcheck",
        "tlsinsecure",
        "unicode_decode_error_handler",
        "uuidrepresentation",
        "w",
        "waitqueuetimeoutms",
        "wtimeoutms",
        "zlibcompressionlevel",
    }
)
#: Words of messages that a secret would have to be, to be left in one.
_NO_SECRETS = frozenset({"mongodb", "srv", "mongodb+srv"})


def redact(url: str) -> str:
    """Return a URL fit to be printed: the password and all that may be a secret as `***`.

    Of the options, those are shown that hold none, known by their names. Where a URL is written
    wrong, it is cut before what cannot be told from a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        # A '://' further behind, as in an option, leaves the password before it.
        return _HIDDEN if "@" in url or separator else url
    cut = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    authority, behind = rest[:cut], rest[cut:]
    if "@" in behind:
        # An unescaped password holds '/' or '?', or an option '@': which is which cannot be told.
        return f"{scheme}://{_user(authority)}@{_HIDDEN}"
    credentials, at, hosts = authority.rpartition("@")
    shown = f"{scheme}://{_user(credentials)}{at}"
    if not _HOSTS.fullmatch(hosts):
        # Without its host, a URL ends in what looks like a port and is a password.
        host, colon, _ = hosts.partition(":")
        return f"{shown}{host}{f':{_HIDDEN}' if colon else ''}"
    path, mark, options = behind.partition("?")
    path = path if _PATH.fullmatch(path) else f"/{_HIDDEN}"
    if options and not all(_OPTION.fullmatch(option) for option in options.split("&")):
        return f"{shown}{hosts}{path}{mark}{_HIDDEN}"  # it may be a password that holds a '?'
    return f"{shown}{hosts}{path}{mark}{'&'.join(map(_shown_option, options.split('&')))}"


def _user(credentials: str) -> str:
    user, colon, _ = credentials.partition(":")
    return f"{user}:{_HIDDEN}" if colon else user


def _shown_option(option: str) -> str:
    name, _, value = option.partition("=")
    if not option or (name.lower() in _OPEN_OPTIONS and _VALUE.fullmatch(value)):
        return option
    return f"{name}={_HIDDEN if value else ''}"


class Url(str):
    """Be a URL whose secrets pytest does not show beside a test that failed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redact(self))


def without_secrets(text: str, url: str) -> str:
    """Take out of a text all parts of a URL that `redact` hides, as they stand and decoded."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def _secrets(url: str) -> set[str]:
    """Give what is secret in a URL, in each form in which the driver may say it."""
    scheme, separator, rest = url.partition("://")
    rest = rest if separator and _SCHEME.fullmatch(scheme) else url
    credentials, at, behind = rest.rpartition("@")
    found = {credentials.partition(":")[2]} if at else {rest.partition(":")[2]}
    for option in re.split("[?&;]", rest)[1:]:  # the driver takes ';' for '&'
        name, _, value = option.partition("=")
        if name.lower() not in _OPEN_OPTIONS:
            # AWS_SESSION_TOKEN:secret,SERVICE_NAME:other
            found |= {value, *re.split("[:,]", value), *re.split("[:,]", unquote_plus(value))}
    if is_ambiguous(rest):
        found |= set(re.split("[:/?@&=]", rest.partition(":")[2])) | {behind}
    found |= {decode(each) for each in found for decode in (unquote, unquote_plus)}
    return {each for each in found if len(each) >= _SHORTEST and each not in _NO_SECRETS}


def is_ambiguous(rest: str) -> bool:
    """Tell whether it cannot be told where, behind the scheme, a password begins and ends."""
    cut = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    credentials, _, hosts = rest[:cut].rpartition("@")
    path = rest[cut:].partition("?")[0]
    fits = _HOSTS.fullmatch(hosts) and _PATH.fullmatch(path)
    return "@" in rest[cut:] + credentials or not fits
