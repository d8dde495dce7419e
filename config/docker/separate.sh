#!/bin/sh
# From one volume with everything in it, as it was before keys had volumes of their own.
#
#   docker compose run --rm --no-deps -T --entrypoint sh admin < config/docker/separate.sh
#
# Settings and keys go into their volumes; the mail stays where it is, in the volume `mail`, which had
# all of them.  Nothing is removed before its copy is on the disk; interrupted, it goes on when it is
# run again.
set -eu
umask 077
cd /var/lib/melouvert
old=mail

if [ ! -e $old/mailserver.toml ]; then
    echo "nothing to do: the volume of the mail holds no settings"
    exit 0
fi

# $1 is copied to $2, unless it was before; an other file there is left alone, and ends this.
copy() {
    if [ ! -e "$2" ]; then
        cp "$1" "$2.new"
        mv "$2.new" "$2"
    fi
    cmp -s "$1" "$2" || { echo "$2 is there, and another one than $1: look, and remove one of them" >&2; exit 1; }
}

# Paths of their own choosing are for a person to move: write the default again, and the file there.
if grep -nE '^ *(path|folder|numen_key|certificate|key) *= *"' $old/mailserver.toml \
    | grep -vE '= *"(store|dkim|numen.key|tls/certificate.pem|tls/key.pem|)"'; then
    echo "these lines of mailserver.toml name a path: take them out, with the files where \`init\` puts them" >&2
    exit 1
fi

moved="numen.key"
[ ! -e $old/numen.key ] || copy $old/numen.key numen/numen.key
for file in $old/tls/*.pem $old/dkim/*.pem; do
    [ -e "$file" ] || continue
    copy "$file" "${file#"$old"/}"
    moved="$moved ${file#"$old"/}"
done
cp $old/mailserver.toml mailserver.toml.new
for name in $(sed -n 's/^ *password_file *= *"\([^"/]*\)".*/\1/p' $old/mailserver.toml); do
    [ ! -e "$old/$name" ] || copy "$old/$name" "smarthosts/$name"
    sed -i "s|^\( *password_file *= *\)\"$name\"|\1\"smarthosts/$name\"|" mailserver.toml.new
    moved="$moved $name"
done
for name in $(sed -n 's/^ *alias_rules *= *"\([^"/]*\)".*/\1/p' $old/mailserver.toml); do
    [ ! -e "$old/$name" ] || copy "$old/$name" "$name"
    moved="$moved $name"
done
if [ -e mailserver.toml ]; then
    rm mailserver.toml.new
else
    sync
    mv mailserver.toml.new mailserver.toml
fi
sync
for file in $moved; do
    rm -f "$old/$file"
done
rmdir $old/tls $old/dkim 2>/dev/null || true
rm $old/mailserver.toml
sync
echo "settings and keys are in their own volumes: docker compose up -d --wait"
ls -A $old | grep -vx store | sed 's/^/left in the volume of the mail, which every door can read: /' || true
