"""What a letter says, in French and in English: data."""

from __future__ import annotations

from typing import Final

from mailserver.directory.letters import Password
from mailserver.texts.catalogue import Text

TITLE: Final = Text("Votre messagerie professionnelle", "Your professional mail")
IDENTIFIER: Final = Text("Identifiant", "Identifier")
ADDRESS: Final = Text("Adresse", "Address")
PASSWORD: Final = Text("Mot de passe", "Password")
FIRST_TIME: Final = Text("La première fois", "The first time")
SETTINGS: Final = Text("Réglages de votre logiciel", "Settings of your program")
HELP: Final = Text("Besoin d’aide ?", "Need help?")
CONFIDENTIAL: Final = Text(
    "Personnel et confidentiel. À remettre en main propre.",
    "Personal and confidential. To be handed over in person.",
)
PRIVATE: Final = Text(
    "Personne ne vous demandera jamais votre mot de passe, ni par courriel ni par téléphone.",
    "Nobody will ever ask for your password, neither by mail nor by telephone.",
)

PASSWORD_LINE: Final = {
    Password.NUMEN: Text("votre NUMEN", "your NUMEN"),
    Password.ONE_TIME: Text("{one_time}", "{one_time}"),
    Password.OWN: Text("celui que vous avez choisi", "the one that you chose"),
    Password.NONE: Text("à demander", "to be asked for"),
}
STEPS: Final = {
    Password.NUMEN: Text(
        "Votre premier mot de passe est votre NUMEN : les 13 caractères qui figurent sur vos"
        " documents administratifs. Il n’est jamais imprimé ici. {change}",
        "Your first password is your NUMEN: the 13 characters on your administrative papers."
        " It is never printed here. {change}",
    ),
    Password.ONE_TIME: Text(
        "Ce mot de passe ne sert que la première fois : il remplace celui d’une feuille plus"
        " ancienne. {change}",
        "This password is for the first time only; it replaces that of an earlier sheet. {change}",
    ),
    Password.OWN: Text(
        "Vous avez déjà choisi votre mot de passe ; gardez-le. S’il est oublié, demandez un code.",
        "You have already chosen your password: keep it. If it is forgotten, ask for a code.",
    ),
    Password.NONE: Text(
        "Ce compte n’a pas encore de mot de passe : demandez un code à la personne nommée"
        " ci-dessous, puis choisissez le vôtre.",
        "This account has no password yet: ask the person named below for a code, then choose"
        " yours.",
    ),
}
CHANGE_AT: Final = Text(
    "Choisissez tout de suite le vôtre sur {page}",
    "Choose your own at once on {page}",
)
CHANGE_BY_CODE: Final = Text(
    "Faites-le changer dès le premier jour : la personne nommée ci-dessous vous y aide.",
    "Have it changed on the first day: the person named below helps you with it.",
)

COLUMNS: Final = (
    Text("", ""),
    Text("Recevoir (POP3)", "Receive (POP3)"),
    Text("Envoyer (SMTP)", "Send (SMTP)"),
)
SERVER: Final = Text("Serveur", "Server")
PORT: Final = Text("Port", "Port")
SECURITY: Final = Text("Sécurité", "Security")
USER_NAME: Final = Text("Nom d’utilisateur", "User name")
METHOD: Final = Text("Authentification", "Authentication")
NORMAL: Final = Text("Mot de passe normal", "Normal password")

PROGRAMS: Final = (
    (
        "Thunderbird",
        Text(
            "Menu, Nouveau compte, Courriel. Donnez nom, adresse et mot de passe, puis"
            " « Configuration manuelle » : choisissez POP3 et recopiez le tableau.",
            "Menu, New account, Email. Give name, address and password, then “Configure"
            " manually”: choose POP3 and copy the table.",
        ),
    ),
    (
        "Outlook",
        Text(
            "Fichier, Ajouter un compte. Donnez l’adresse, cochez « Options avancées, configurer"
            " manuellement », choisissez POP et recopiez le tableau. Sans identification par mot"
            " de passe sécurisé (SPA).",
            "File, Add account. Give the address, tick “Advanced options, set up manually”, choose"
            " POP and copy the table. Without secure password authentication (SPA).",
        ),
    ),
)

ASK: Final = Text("Demandez à : {who}", "Ask: {who}")
NO_UNIT: Final = Text("Sans affectation", "Without a post")
COVER: Final = Text("Feuilles à remettre", "Sheets to hand out")
COVER_COUNT: Final = Text("{count} feuille(s) suivent", "{count} sheet(s) follow")
COVER_HOW: Final = Text(
    "Remettez chaque feuille en main propre et cochez son nom. Une feuille qui n’a pas été"
    " remise se détruit : ne la laissez pas dans un casier ouvert.",
    "Hand each sheet over in person and tick its name. A sheet that could not be handed over is"
    " destroyed: do not leave it in an open pigeon-hole.",
)
COVER_MORE: Final = Text("et {count} autres", "and {count} more")
PAGE_OF: Final = Text("Imprimé le {date}", "Printed on {date}")
