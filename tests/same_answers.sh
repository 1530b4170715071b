#!/usr/bin/env bash
# Whether two builds of wcmp give the same answers: standard output, standard error and exit code,
# byte for byte, over the fixtures, the hostile inputs and, where it lies beside the project, the zoo.
#
#   tests/same_answers.sh OLD NEW [WORD...]
#
# OLD and NEW are binaries. A WORD keeps only the commands that contain it. Prints each command that
# differs with the first line that does; exits 1 where any differs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 2 ] || { sed -n '2,8p' "${BASH_SOURCE[0]}"; exit 2; }
old=$(realpath "$1") new=$(realpath "$2")
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

commands() {
    local zoo=../shared/zoo path base target
    if [ -f "$zoo/TRUTH.tsv" ]; then
        while IFS=$'\t' read -r base target _; do
            echo "compare $zoo/$base $zoo/$target --format json"
        done < <(tail -n +2 "$zoo/TRUTH.tsv")
        for target in rot-residual merge-linear reuse-half ind-b ft-heavy; do
            echo "rank $zoo/$target $zoo/base $zoo/ft-light $zoo/ind-c --format json"
        done
        for target in base vlm-1 moe-scratch variants/gptq4 variants/gguf-q8_0; do
            echo "inspect $zoo/$target --format json"
            echo "hash $zoo/$target --format json"
            echo "arch $zoo/$target $zoo/base $zoo/vlm-2 --format json"
        done
        echo "compare $zoo/base $zoo/ft-heavy --deep on --pca full --format json"
        echo "compare $zoo/base $zoo/ind-b --deep on --format json"
        echo "compare $zoo/base $zoo/perm-residual --hash none --deep off --format json"
    else
        echo "no zoo of trained models beside the project: fixtures and hostile inputs only" >&2
    fi
    for base in fixtures/*/; do
        base=${base%/}
        echo "inspect $base --format json"
        echo "hash $base"
        for target in fixtures/*/; do
            echo "compare $base ${target%/} --format json"
            echo "arch ${target%/} $base --format json"
        done
    done
    for path in tests/hostile/*; do
        echo "inspect $path --format json"
        echo "hash $path"
        echo "compare $path tests/hostile/legal-sound.gguf --format json"
        echo "compare tests/hostile/legal-sound.gguf $path --format json"
    done
}

answer() { # BINARY COMMAND... : all that a run says
    local binary=$1 errors
    shift
    errors=$(mktemp -p "$work")
    "$binary" "$@" --threads 1 2>"$errors" </dev/null
    echo "exit $?"
    cat "$errors"
    rm -f "$errors"
}

one() { # COMMAND : its difference, if there is one
    local difference
    # shellcheck disable=SC2086
    if ! difference=$(cmp <(answer "$old" $1) <(answer "$new" $1) 2>&1); then
        echo "DIFFERS: wcmp $1"
        # shellcheck disable=SC2086
        diff <(answer "$old" $1 | tr ',' '\n') <(answer "$new" $1 | tr ',' '\n') | head -n 8
    fi
}
export -f answer one
export old new work

list=$work/commands
commands | sort -u >"$list.all"
cp "$list.all" "$list"
for word in "$@"; do grep -F -- "$word" "$list" >"$list.kept"; mv "$list.kept" "$list"; done
xargs -d '\n' -P "$(nproc)" -I{} bash -c 'one "$1"' _ {} <"$list" >"$work/differences"
cat "$work/differences"
echo "$(wc -l <"$list") commands, $(grep -c '^DIFFERS' "$work/differences") differ"
! [ -s "$work/differences" ]
