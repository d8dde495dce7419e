"""What a letter says, in French and in English: data."""

from __future__ import annotations

from typing import Final

from mailserver.directory.letters.pages import Password
from mailserver.texts.catalogue import Text
from mailserver.texts.plurals import CountedNoun

TITLE: Final = Text("Votre messagerie professionnelle", "Your professional mail")
IDENTIFIER: Final = Text("Identifiant", "Identifier")
ADDRESS: Final = Text("Adresse", "Address")
PASSWORD: Final = Text("Mot de passe", "Password")
ABOUT_PASSWORD: Final = Text("Votre mot de passe", "Your password")
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
    Password.IN_USE: Text("celui de la feuille précédente", "the one on the earlier sheet"),
    Password.NONE: Text("à demander", "to be asked for"),
}
STEPS: Final = {
    Password.NUMEN: Text(
        "Votre mot de passe est votre NUMEN : les 13 caractères qui figurent sur vos documents"
        " administratifs. Il n’est jamais imprimé ici. {change}",
        "Your password is your NUMEN: the 13 characters on your administrative papers."
        " It is never printed here. {change}",
    ),
    Password.ONE_TIME: Text(
        "Ce mot de passe remplace celui d’une feuille plus ancienne. Majuscules, minuscules et"
        " tirets y sont indifférents. {change}",
        "This password replaces that of an earlier sheet. Capitals, small letters and dashes make"
        " no difference in it. {change}",
    ),
    Password.OWN: Text(
        "Vous avez déjà choisi votre mot de passe ; gardez-le.",
        "You have already chosen your password: keep it.",
    ),
    Password.IN_USE: Text(
        "Ce mot de passe est déjà enregistré dans un logiciel : gardez-le.",
        "A program holds this password already: keep it.",
    ),
    Password.NONE: Text(
        "Ce compte n’a pas encore de mot de passe : demandez-en un à la personne nommée"
        " ci-dessous.",
        "This account has no password yet: ask the person named below for one.",
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
MAY_CHANGE_AT: Final = Text(
    "Vous pouvez en choisir un autre sur {page}", "You can choose another one on {page}"
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

CALL: Final = Text(
    "Mot de passe oublié, question ? Appelez {who}.",
    "Password forgotten, a question? Call {who}.",
)
WRITE: Final = Text(
    "Mot de passe oublié, question ? Écrivez à {who}.",
    "Password forgotten, a question? Write to {who}.",
)
ALSO_WRITE: Final = Text("Vous pouvez aussi écrire à {who}.", "You can also write to {who}.")
OR: Final = Text(" ou ", " or ")
OR_TO: Final = Text(" ou à ", " or to ")
SERVICE: Final = Text("le service", "the service")
NO_UNIT: Final = Text("Sans affectation", "Without a post")
COVER: Final = Text("Feuilles à remettre", "Sheets to hand out")
COVER_COUNT: Final = CountedNoun(
    Text("{count} feuille suit", "{count} sheet follows"),
    Text("{count} feuilles suivent", "{count} sheets follow"),
)
COVER_HOW: Final = Text(
    "Remettez chaque feuille en main propre et cochez son nom. Ne laissez rien dans un casier"
    " ouvert. Détruisez toute feuille non remise.",
    "Hand each sheet over in person and tick its name. Leave nothing in an open pigeon-hole."
    " Destroy every sheet that was not handed over.",
)
COVER_MORE: Final = CountedNoun(
    Text("et {count} autre", "and {count} more"), Text("et {count} autres", "and {count} more")
)
PAGE_OF: Final = Text("Imprimé le {date}", "Printed on {date}")
