# Append the secrets of $wanted ("NAME PREFIX BYTES USERS" a line) to $root/.env. Values are made here and never leave the
# host: neither the control machine nor a log ever sees one. Those of $given (names) come as lines of standard input,
# which no log sees either. Every other line stays as it is.
umask 077
env=$(readlink -f "$root/.env")
[ -e "$env" ] || : >"$env"
chown 0:0 "$env"
chmod 600 "$env"
new="$env.gpufleet-new"
# A name without a value counts as missing; a last line without its end must not swallow the next.
names=$(echo "$wanted" | cut -d' ' -f1 | paste -sd'|')
grep -vE "^(${names:--})=\$" "$env" | grep -vE "^[[:blank:]]*($(echo "${given:--}" | tr ' ' '|'))=" >"$new" || true
[ -z "$(tail -c 1 "$new")" ] || echo >>"$new"
echo "$wanted" | while read -r name prefix bytes users; do
  [ -n "$name" ] || continue
  printf '# for %s\n%s=%s%s\n' "$users" "$name" "${prefix#-}" "$(od -An -vtx1 -N"$bytes" /dev/urandom | tr -d ' \n')" >>"$new"
done
while IFS='=' read -r name value; do
  case " $given " in *" $name "*) printf '%s=%s\n' "$name" "$value" >>"$new" ;; esac
done
sync "$new"
mv "$new" "$env"
