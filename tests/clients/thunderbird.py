"""Thunderbird on a display of its own, with one account, told what to do by Marionette."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.academy import Academy
from tests.clients.marionette import Marionette
from tests.programs import needs_program

MARKS = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.heavy,
    pytest.mark.timeout(180),
    needs_program("thunderbird"),
    needs_program("Xvfb"),
    needs_program("certutil"),
]
"""Of every file of tests that opens it."""
PATIENCE_S = 30.0
STARTTLS, TLS = 2, 3
"""`nsMsgSocketType`."""
NORMAL_PASSWORD = 3
"""`nsMsgAuthMethod.passwordCleartext`."""
_QUIET = {
    "marionette.port": 0,
    "app.donation.eoy.version.viewed": 999,
    "app.update.disabledForTesting": True,
    "browser.dom.window.dump.enabled": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.autoDisableScopes": 0,
    "mail.biff.show_alert": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mailnews.start_page.enabled": False,
    # No page of the Web: only the mail doors are asked.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}

_UNTIL = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const until = async test => {
  for (let found; ; await new Promise(go => setTimeout(go, 50))) if ((found = test())) return found;
};
"""
_COLLECT = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.findServer(args[0], "localhost", "pop3");
const inbox = server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
await new Promise((resolve, reject) => MailServices.pop3.GetNewMail(null, {
  OnStartRunningUrl() {},
  OnStopRunningUrl(url, status) {
    Components.isSuccessCode(status) ? resolve() : reject(new Error(`status ${status}`));
  },
}, inbox, server));
return inbox.getTotalMessages(false);
"""
_REMEMBER = """
for (const origin of ["mailbox://localhost", "smtp://localhost"]) {
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  login.init(origin, null, origin, args[0], args[1], "", "");
  await Services.logins.addLoginAsync(login);
}
"""
_SEND = (
    _UNTIL
    + """
const make = (name, type) => Cc[`@mozilla.org/messengercompose/${name};1`].createInstance(type);
const fields = make("composefields", Ci.nsIMsgCompFields);
[fields.to, fields.cc, fields.subject, fields.body] = args;
const params = make("composeparams", Ci.nsIMsgComposeParams);
params.composeFields = fields;
params.identity = MailServices.accounts.defaultAccount.defaultIdentity;
params.format = Ci.nsIMsgCompFormat.PlainText;
MailServices.compose.OpenComposeWindowWithParams(null, params);
const composer = await until(() => {
  const found = Services.wm.getMostRecentWindow("msgcompose");
  return found?.composeEditorReady && found;
});
composer.goDoCommand("cmd_sendNow");
await until(() => composer.closed);
"""
)
_SHOW = (
    _UNTIL
    + """
const server = MailServices.accounts.findServer(args[0], "localhost", "pop3");
const inbox = server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const main = Services.wm.getMostRecentWindow("mail:3pane");
const pane = main.document.getElementById("tabmail").currentAbout3Pane;
pane.displayFolder(inbox.URI);
const newest = [...inbox.messages].reduce((a, b) => (b.messageKey > a.messageKey ? b : a));
const none = 0xffffffff;  // nsMsgViewIndex_None
const row = () => pane.gDBView?.findIndexOfMsgHdr(newest, true) ?? none;
await until(() => row() != none);
pane.threadTree.selectedIndex = row();
const view = pane.messageBrowser.contentWindow;
await until(() => view.gMessage?.messageKey == newest.messageKey && view.msgLoaded);
const letter = await until(() => {
  const found = view.getMessagePaneBrowser().contentDocument;
  return found.readyState == "complete" && found;  // its style has come too
});
await until(() => !main.document.getElementById("throbber")?.hasAttribute("busy"));
return {
  sender: view.document.querySelector("#expandedfromBox .recipient-multi-line-name").innerText,
  subject: view.document.getElementById("expandedsubjectBox").innerText,
  text: letter.body.innerText,
  attachments: view.currentAttachments.map(one => one.name),
};
"""
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the window shows it.  text: all that the message pane holds."""

    sender: str
    subject: str
    text: str
    attachments: list[str]


class Thunderbird:
    """A profile with one account (POP3 and submission on localhost), and the program running."""

    def __init__(self, academy: Academy, folder: Path, *, who: str, tls: int) -> None:
        self._academy, self._who = academy, who
        self.profile = folder / "profile"
        self.profile.mkdir()
        _trust(self.profile, academy.authority)
        self._write_settings(tls)
        self._display, name = _display()
        self.said: list[bytes] = []
        self._process = subprocess.Popen(
            [
                *("thunderbird", "--profile", str(self.profile), "--no-remote"),
                *("--marionette", "--remote-allow-system-access"),
            ],
            env=os.environ | {"DISPLAY": f":{name}", "HOME": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with ExitStack() as cleanup:
            cleanup.callback(self._stop_programs)
            self._marionette = Marionette(self._marionette_port(), patience_s=PATIENCE_S)
            cleanup.callback(self._marionette.close)
            self._marionette.run(_REMEMBER, who, academy.password(who))
            self._cleanup = cleanup.pop_all()

    def collect(self) -> int:
        """Press *Get Messages*; how many lie in the inbox then."""
        count: int = self._marionette.run(_COLLECT, self._who)
        return count

    def send(self, *, to: str, cc: str, subject: str, text: str) -> None:
        """Write a message in a window, press *Send*, and see the window go."""
        self._marionette.run(_SEND, to, cc, subject, text)

    def read(self) -> Shown:
        """Click on the message of the inbox that came last."""
        return Shown(**self._marionette.run(_SHOW, self._who))

    def picture(self, name: str) -> None:
        """Keep the main window as PNG, where `THUNDERBIRD_PICTURES` names a folder for it."""
        octets = self._marionette.picture()
        assert octets.startswith(b"\x89PNG")
        if folder := os.environ.get("THUNDERBIRD_PICTURES"):
            (Path(folder) / f"{name}.png").write_bytes(octets)

    def folder(self, name: str) -> bytes:
        """The mbox of a folder of the account."""
        return (self.profile / "Mail/localhost" / name).read_bytes()

    def stop(self) -> None:
        self._cleanup.close()

    def _stop_programs(self) -> None:
        for process in (self._process, self._display):
            process.terminate()
            process.wait(timeout=30)
        self._drain.join()
        for process in (self._process, self._display):
            assert process.stdout is not None
            process.stdout.close()

    def _write_settings(self, tls: int) -> None:
        academy, who = self._academy, self._who
        pop, smtp = ("pop3", "submission") if tls == STARTTLS else ("pop3s", "submissions")
        settings = _QUIET | {
            "mail.accountmanager.accounts": "account1",
            "mail.accountmanager.defaultaccount": "account1",
            "mail.account.account1.identities": "id1",
            "mail.account.account1.server": "server1",
            "mail.identity.id1.fullName": academy.demo.cast.member(who).name,
            "mail.identity.id1.useremail": academy.address(who),
            "mail.identity.id1.smtpServer": "smtp1",
            "mail.identity.id1.compose_html": False,
            "mail.identity.id1.valid": True,
            "mail.server.server1.type": "pop3",
            "mail.server.server1.name": academy.address(who),
            "mail.server.server1.hostname": "localhost",
            "mail.server.server1.port": academy.port(pop),
            "mail.server.server1.socketType": tls,
            "mail.server.server1.authMethod": NORMAL_PASSWORD,
            "mail.server.server1.userName": who,
            "mail.server.server1.leave_on_server": True,
            "mail.server.server1.login_at_startup": False,
            "mail.server.server1.check_new_mail": False,
            "mail.smtpservers": "smtp1",
            "mail.smtp.defaultserver": "smtp1",
            "mail.smtpserver.smtp1.type": "smtp",
            "mail.smtpserver.smtp1.hostname": "localhost",
            "mail.smtpserver.smtp1.port": academy.port(smtp),
            "mail.smtpserver.smtp1.try_ssl": tls,
            "mail.smtpserver.smtp1.authMethod": NORMAL_PASSWORD,
            "mail.smtpserver.smtp1.username": who,
        }
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in settings.items()]
        (self.profile / "user.js").write_text("\n".join(lines), "utf-8")

    def _marionette_port(self) -> int:
        """Wait until the program says where it listens; what it says later is kept in `said`."""
        assert self._process.stdout is not None
        port = 0
        for line in self._process.stdout:
            self.said.append(line)
            if found := re.search(rb"Listening on port (\d+)", line):
                port = int(found[1])
                break
        self._drain = threading.Thread(target=self.said.extend, args=(self._process.stdout,))
        self._drain.start()
        assert port, b"".join(self.said)
        return port


def _trust(profile: Path, authority: str) -> None:
    """Make the profile's certificate store, with one authority (trusted for servers)."""
    store = ["-d", f"sql:{profile}"]
    for command in (
        ["-N", *store, "--empty-password"],
        ["-A", *store, "-n", "demo", "-t", "C,,", "-i", authority],
    ):
        subprocess.run(["certutil", *command], check=True, capture_output=True, timeout=30)


def _display() -> tuple[subprocess.Popen[bytes], str]:
    """A display that nobody sees, and its number (Xvfb chooses one that is free)."""
    display = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert display.stdout is not None
    return display, display.stdout.readline().decode().strip()
