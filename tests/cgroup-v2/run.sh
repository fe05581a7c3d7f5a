#!/usr/bin/env bash
# Runs the control-group tests of the sandbox crate on a host that has cgroup v2 only: a virtual machine, since the
# machine at hand may bind the controllers to v1. QEMU emulates (no KVM needed); the kernel is Debian's, unpacked and not
# installed; the test binary goes in with the libraries it is linked to. About ten seconds after the first run.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/updraft/cgroup-v2
deadline_s=300
case "$(uname -m)" in
    x86_64) kernel_package=linux-image-cloud-amd64; qemu=qemu-system-x86_64; qemu_package=qemu-system-x86 ;;
    *) echo "SKIPPED cgroup-v2: no virtual machine is set up for $(uname -m)"; exit 0 ;;
esac
mkdir -p "$cache"

install_missing() {
    local missing=()
    command -v "$qemu" >/dev/null || missing+=("$qemu_package")
    command -v busybox >/dev/null || missing+=(busybox-static)
    [ ${#missing[@]} -eq 0 ] && return
    apt-get install -y -q --no-install-recommends "${missing[@]}" >"$cache/apt.log" 2>&1 \
        || { echo "cannot install ${missing[*]}; see $cache/apt.log"; exit 1; }
}

fetch_kernel() {
    compgen -G "$cache/kernel/boot/vmlinuz-*" >/dev/null && return
    local package
    package=$(apt-cache depends "$kernel_package" | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -1)
    (cd "$cache" && apt-get download -q "$package" >apt.log 2>&1 && dpkg-deb -x "$package"_*.deb kernel && rm -f ./*.deb) \
        || { echo "cannot fetch $package; see $cache/apt.log"; exit 1; }
}

# The path of the test binary, as cargo prints it: "  Executable tests/it/main.rs (path)".
build_tests() {
    local said
    said=$(cargo test -q -p sandbox --test it --no-run --message-format=json 2>"$cache/cargo.log") \
        || { cat "$cache/cargo.log" >&2; exit 1; }
    sed -n 's/.*"name":"it".*"executable":"\([^"]*\)".*/\1/p' <<<"$said" | tail -1
}

pack() {
    local binary=$1 root=$2 library
    mkdir -p "$root"/{bin,proc,sys,dev,tmp}
    cp "$(command -v busybox)" "$root/bin/busybox"
    objcopy --strip-debug "$binary" "$root/it" 2>/dev/null || cp "$binary" "$root/it"
    ldd "$binary" | grep -o '/[^ )]*' | while read -r library; do
        install -D "$library" "$root$library"
    done
    install -m 755 tests/cgroup-v2/init "$root/init"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$cache/initramfs"
}

install_missing
fetch_kernel
binary=$(build_tests)
[ -x "$binary" ] || { echo "cargo did not say where the tests are"; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
pack "$binary" "$root"

kernel=$(compgen -G "$cache/kernel/boot/vmlinuz-*" | head -1)
timeout "$deadline_s" "$qemu" -M pc -cpu max -accel tcg -smp 2 -m 768 -display none -no-reboot -serial stdio -monitor none \
    -kernel "$kernel" -initrd "$cache/initramfs" -append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r' \
    | tee "$cache/console.log"
if grep -q '^GUEST STATUS 0$' "$cache/console.log"; then
    echo "PASS cgroup-v2"
else
    echo "FAIL cgroup-v2 (console: $cache/console.log)"
    exit 1
fi
