# Unpack what the program that fetches models is made of.
cd "$root/releases"
rm -rf "$folder"
mkdir -m 700 "$folder"
tar -xf "$folder.tar" -C "$folder" --no-same-owner
rm "$folder.tar"
