#!/bin/sh
# Installs what building RocksDB needs: a C++ compiler, make and libclang; and what tests of faults need: libfaketime and ip.
# Does nothing where they are present.
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

have_libfaketime() {
    for file in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib64/faketime/libfaketimeMT.so.1 \
        /usr/lib64/libfaketimeMT.so.1 /usr/lib/faketime/libfaketimeMT.so.1 \
        /usr/local/lib/faketime/libfaketimeMT.so.1 /usr/lib/libfaketimeMT.so.1; do
        if [ -e "$file" ]; then
            return 0
        fi
    done
    return 1
}

# Faults need root anyway. Without it, or where these cannot be had, the tests say what they left out.
install_for_faults() {
    if [ "$(uname -s)" != Linux ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        return 0
    fi
    if have_libfaketime && command -v ip >/dev/null 2>&1; then
        return 0
    fi
    echo "setup: installing libfaketime and ip for the tests of faults"
    if ! { apt-get update && apt-get install -y --no-install-recommends libfaketime iproute2; }; then
        echo "setup: they cannot be installed: tests leave out what needs them, and say so" >&2
    fi
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
install_for_faults
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
