"""Commands about who is there: USER, PASS, STLS, CAPA.

A password is taken only over TLS, or in the clear where `is_clear_allowed`
says so.  USER always answers +OK: whether an account exists is no stranger's
business.
"""

from __future__ import annotations

from mailserver.peers.patience import ERROR, TRIFLE
from mailserver.values.ip import is_loopback
from mailserver.values.secret import Secret
from pop3_store.session.session import Session
from pop3_store.session.states import Action, Authenticate, Signal, State
from pop3_store.session.texts import Say

_CAPABILITIES = (
    b"TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
    b"EXPIRE NEVER\r\nIMPLEMENTATION Mel-ouvert\r\n"
)


def is_clear_allowed(*, allow_on_loopback: bool, bound_host: str, peer_host: str) -> bool:
    """May this peer send a password without TLS?

    Only when the settings allow it, and both ends are this machine: a listener
    bound to every address would also answer the neighbours.
    """
    return allow_on_loopback and is_loopback(bound_host) and is_loopback(peer_host)


def give_user(session: Session, args: list[bytes]) -> Action | None:
    session.user_name = args[0].strip()
    session.say(Say.SEND_PASSWORD if session.user_name else Say.SYNTAX)
    session.spend(TRIFLE)
    return None


def give_password(session: Session, args: list[bytes]) -> Action | None:
    """The rest of the line is the password, spaces and all (RFC 1939 §7)."""
    user_name, session.user_name = session.user_name, b""
    if not user_name:
        session.say(Say.USER_FIRST)
        session.spend(ERROR)
        return None
    return session.wait_for(Authenticate(user_name, Secret(args[0])))


def start_tls(session: Session, _args: list[bytes]) -> Action | None:
    """RFC 2595 §4.  Octets that came with the command were not protected: none may count."""
    if session.circuit.is_tls:
        session.say(Say.TLS_ACTIVE)
    elif session.state is not State.AUTHORIZATION:
        session.say(Say.WRONG_STATE)
    elif not session.circuit.can_start_tls:
        session.say(Say.TLS_ABSENT)
    elif session.has_unread_octets:
        session.say(Say.TLS_NOT_ALONE)
        return session.end(Signal.CLOSE)
    else:
        session.say(Say.BEGIN_TLS)
        return session.wait_for(Signal.START_TLS)
    session.spend(ERROR)
    return None


def list_capabilities(session: Session, _args: list[bytes]) -> Action | None:
    """RFC 2449 §6, RFC 2595 §4, RFC 3206 §5; the same list in both states."""
    session.say(Say.CAPABILITIES)
    octets = _CAPABILITIES
    if session.takes_passwords:
        octets += b"USER\r\n"
    if session.circuit.can_start_tls and not session.circuit.is_tls:
        octets += b"STLS\r\n"
    session.send(octets + b".\r\n")
    session.spend(TRIFLE if session.state is State.AUTHORIZATION else TRIFLE // 10)
    return None
