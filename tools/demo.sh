#!/bin/sh
# Tags real photographs of Debian packages with free licences (downloaded and unpacked under the build
# folder, never installed), or the user's own: demo.sh BUILD [PHOTOS].
set -eu
build=$1 photos=${2:-}
sheet=$build/demo/contact-sheet.html
mkdir -p "$build/demo"
if [ -z "$photos" ]; then
    photos=$build/demo/photos
    if [ ! -d "$photos" ]; then
        echo "demo: fetching photographs from Debian (python3-skimage, lomiri-wallpapers-16.04)" >&2
        rm -rf "$build/demo/debs" && mkdir -p "$build/demo/debs"
        (cd "$build/demo/debs" && chmod 755 . && { apt-get download -qq python3-skimage lomiri-wallpapers-16.04 ||
            { if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
              apt-get download -qq python3-skimage lomiri-wallpapers-16.04; }; }) ||
            { echo "demo: the packages cannot be fetched; tag your own pictures: make demo PHOTOS=DIR" >&2; exit 1; }
        mkdir -p "$photos.part"
        for deb in "$build"/demo/debs/*.deb; do dpkg-deb -x "$deb" "$build/demo/debs/unpacked"; done
        for name in astronaut.png chelsea.png coffee.png motorcycle_left.png rocket.jpg; do
            find "$build/demo/debs/unpacked" -name "$name" -exec cp {} "$photos.part/" \;
        done
        find "$build/demo/debs/unpacked" -path '*/share/backgrounds/*.jpg' -exec cp {} "$photos.part/" \;
        rm -rf "$build/demo/debs" && mv "$photos.part" "$photos"
    fi
fi
"$build/cli/anytag" tag -l en,zh "$photos"
"$build/cli/anytag" tag -q -f html -o "$sheet" "$photos"
echo "contact sheet: $sheet" >&2
