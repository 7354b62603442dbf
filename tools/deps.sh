#!/bin/sh
# Installs the Debian packages that are missing, with the reason for each. Groups: build, test, browser, words, bench.
set -eu
build='gcc:compiler cmake:build make:front_door ninja-build:build pkg-config:finds_libraries
libjpeg62-turbo-dev:JPEG libpng-dev:PNG libwebp-dev:WebP libexif-dev:EXIF libssl-dev:SHA-256
libjansson-dev:JSON libutf8proc-dev:Unicode zlib1g-dev:gzip libmicrohttpd-dev:anytag_serve libcurl4-openssl-dev:pictures_by_URL libexpat1-dev:Label_Studio ca-certificates:apt_over_TLS'
test='libcmocka-dev:unit_tests python3:command_tests curl:examples_of_the_server openssl:server_with_TLS python3-pytest:command_tests python3-numpy:reference_model python3-pil:test_pictures wordnet-base:senses_of_words libsimde-dev:AVX-512_kernels_tested_without_AVX-512'
browser='chromium:tests_of_the_web_page chromium-driver:tests_of_the_web_page python3-selenium:tests_of_the_web_page fonts-noto-cjk:Chinese_names_in_screenshots'
words='python3:fetches_the_text_encoder python3-pip:fetches_the_text_encoder'
bench='libopenblas-dev:peer libdnnl-dev:peer'
missing=
for group in "$@"; do
    eval "list=\$$group"
    for entry in $list; do
        package=${entry%%:*}
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
        echo "deps: $package is missing (${entry#*:})" >&2
        missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "deps: run as root or install sudo:$missing" >&2; exit 1; }
    sudo=sudo
fi
echo "deps: installing$missing" >&2
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
