"""What people are told by mail and on the screen, in French and in English."""

from __future__ import annotations

from typing import Final

from mailserver.texts.catalogue import Text
from mailserver.texts.plurals import CountedNoun

REQUESTED: Final = Text(
    fr="Si ce compte existe et a une adresse de secours, un code vient d'y être envoyé.",
    en="If this account exists and has a recovery address, a code has just been sent there.",
)
# One sentence, whichever of them was wrong: a code that is found tells nobody that it is right.
CODE_REFUSED: Final = Text(
    fr="Le code, l'identifiant ou le NUMEN n'est pas le bon. Relisez-les et réessayez : une faute"
    " de frappe n'use pas le code. S'il n'est plus bon, demandez-en un autre.",
    en="The code, the identifier or the NUMEN is not the right one. Read them again and retry: a"
    " slip does not use the code up. If it is no longer good, ask for another one.",
)
WRONG_OLD: Final = Text(
    fr="L'ancien mot de passe n'est pas celui-là.", en="The old password is not that one."
)
SLOW_DOWN: Final = Text(
    fr="Trop de demandes : réessayez dans une heure.", en="Too many requests: try in an hour."
)
WAIT: Final = Text(
    fr="Trop de mots de passe différents : attendez un quart d'heure, puis réessayez.",
    en="Too many different passwords: wait a quarter of an hour, then try again.",
)
NO_ACCOUNT: Final = Text(
    fr="Il n'y a pas ce compte : `mailserver account list` les montre tous.",
    en="There is no such account: `mailserver account list` shows all of them.",
)
BAD_ADDRESS: Final = Text(
    fr="Ce n'est pas une adresse : écrivez-la comme marie@example.org",
    en="That is not an address: write one, as marie@example.org",
)
ADDRESS_INSIDE: Final = Text(
    fr="Une adresse de secours est ailleurs : sans mot de passe, celle-ci vous serait fermée.",
    en="A recovery address is elsewhere: without your password this one would be closed to you.",
)
NOT_YOURS: Final = Text(
    fr="Vous ne pouvez pas remettre de code pour ce compte.",
    en="You cannot hand out a code for this account.",
)

CHANGED_SUBJECT: Final = Text(
    fr="Le mot de passe de {identifier} a été changé", en="The password of {identifier} was changed"
)
CHANGED: Final = Text(
    fr="""Le mot de passe du compte {identifier} ({name}) vient d'être changé : {how}.

Si c'est vous, il n'y a rien à faire. Sinon, prévenez tout de suite votre correspondant ou
{help} : quelqu'un d'autre se sert peut-être de votre compte.""",
    en="""The password of the account {identifier} ({name}) has just been changed: {how}.

If that was you, there is nothing to do. Else tell your correspondent or {help} at once:
somebody else may be using your account.""",
)
SET_SUBJECT: Final = Text(
    fr="Un nouveau mot de passe pour {identifier}", en="A new password for {identifier}"
)
SET: Final = Text(
    fr="""Le mot de passe du compte {identifier} ({name}) vient d'être changé {how}.
L'ancien n'est plus accepté : mettez le nouveau dans votre logiciel de messagerie.

Si vous ne l'avez pas encore, demandez-le à votre correspondant ou à {help}.""",
    en="""The password of the account {identifier} ({name}) has just been changed {how}.
The old one is no longer good: put the new one into your mail program.

If you do not have it yet, ask your correspondent or {help} for it.""",
)
HOW_CHANGED: Final = Text(fr="avec l'ancien mot de passe", en="with the old password")
HOW_RESET: Final = Text(fr="par un code à usage unique", en="by a one-time code")
HOW_SET: Final = Text(fr="par l'administration du service", en="by the service's administration")

CODE_SUBJECT: Final = Text(fr="Votre code pour {identifier}", en="Your code for {identifier}")
CODE: Final = Text(
    fr="""Le code à usage unique pour le compte {identifier} est :

    {code}

Il est bon pendant {minutes}, une seule fois. Si vous ne l'avez pas demandé, il n'y a
rien à faire : sans lui, rien ne change. Ne le donnez à personne, pas même à l'assistance.""",
    en="""The one-time code for the account {identifier} is:

    {code}

It is good for {minutes}, once. If you did not ask for it, there is nothing to do:
without it, nothing changes. Give it to nobody, not even to the support service.""",
)
MINUTES: Final = CountedNoun(
    Text(fr="{count} minute", en="{count} minute"),
    Text(fr="{count} minutes", en="{count} minutes"),
)
ADDRESS_SUBJECT: Final = Text(
    fr="L'adresse de secours de {identifier} a changé",
    en="The recovery address of {identifier} was changed",
)
ADDRESS: Final = Text(
    fr="""L'adresse de secours du compte {identifier} ({name}) n'est plus celle-ci.

Si ce n'est pas vous qui l'avez changée, prévenez tout de suite {help}.""",
    en="""The recovery address of the account {identifier} ({name}) is no longer this one.

If it was not you who changed it, tell {help} at once.""",
)
WARNING_SUBJECT: Final = Text(
    fr="Votre premier mot de passe ne sera plus accepté après le {date}",
    en="Your first password ends on {date}",
)
WARNING: Final = Text(
    fr="""Bonjour {name},

Vous utilisez encore le mot de passe qui vous a été donné au départ. Après le {date}, les
logiciels de messagerie ne l'accepteront plus. Votre correspondant ou {help} vous aide à en
choisir un autre ; mettez-le ensuite dans votre logiciel. Vos messages restent dans votre boîte.""",
    en="""Hello {name},

You still use the password that you were given at first. After {date}, mail programs will
not be let in with it. Your correspondent or {help} helps you to choose another one; then put it
into your program. Your messages stay in your mailbox.""",
)
