#!/bin/sh
# Installs what building RocksDB needs: a C++ compiler, make and libclang. Does nothing where they are present.
set -eu

# What bindgen loads is libclang.so or libclang-14.so.1; libclang-cpp.so, which others install, is not it.
have_libclang() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        return 0
    fi
    if command -v ldconfig >/dev/null 2>&1 && ldconfig -p 2>/dev/null | grep -qE 'libclang(-[0-9.]+)?\.so'; then
        return 0
    fi
    for directory in /usr/lib/llvm*/lib /usr/lib/* /usr/lib64 /usr/lib /usr/lib64/llvm*/lib* \
        /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib /Library/Developer/CommandLineTools/usr/lib; do
        for file in "$directory"/libclang.so* "$directory"/libclang-[0-9]*.so* "$directory"/libclang.dylib; do
            if [ -e "$file" ]; then
                return 0
            fi
        done
    done
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "setup: $1 needs root, and sudo is not installed: run this as root" >&2
        exit 1
    fi
}

missing=""
command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || missing="$missing a C++ compiler,"
command -v make >/dev/null 2>&1 || missing="$missing make,"
have_libclang || missing="$missing libclang,"

if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: Rust is missing: install it from https://rustup.rs" >&2
    exit 1
fi
if [ -z "$missing" ]; then
    exit 0
fi
echo "setup: installing:${missing%,}"

if command -v apt-get >/dev/null 2>&1; then
    as_root apt-get update
    as_root apt-get install -y --no-install-recommends g++ make libclang-dev
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y gcc-c++ make clang-devel
elif command -v apk >/dev/null 2>&1; then
    as_root apk add g++ make clang-dev
elif command -v brew >/dev/null 2>&1; then
    # The compiler and make come with the command line tools of Xcode.
    brew install llvm
else
    echo "setup: no apt-get, dnf, apk or brew here: please install${missing%,} with your package manager" >&2
    exit 1
fi
