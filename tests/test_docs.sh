#!/bin/bash
# The pages agree with the program and with the tree.
. "$(dirname "$0")/lib.sh"

pages=$(ls ./*.md docs/*.md jobs/*.md results/*.md tests/golden/*.md 2> /dev/null)

# links_lead_somewhere PAGE: targets of [text](target) exist, relative to the page
links_lead_somewhere() {
    local target wrong=0
    while read -r target; do
        [[ -e $(dirname "$1")/${target%%#*} ]] || { echo "$target does not exist"; wrong=1; }
    done < <(grep -oE '\]\([^)#][^)]*\)' "$1" | sed 's/^](//; s/)$//' | grep -v '^https\?:')
    return $wrong
}

# shown_options PAGE: every --option behind the name of a command, lines that end in a backslash joined
shown_options() {
    sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' "$1" |
        grep -oE 'dpsweep [a-z]+ .*' | grep -oE -- '--[a-z][a-z-]+' | sort -u
}

options_exist() {
    local option known wrong=0
    known="$(dpsweep info --options) \`--help\`"
    while read -r option; do
        grep -qF -- "\`$option" <<< "$known" || { echo "$option is not an option"; wrong=1; }
    done < <(shown_options "$1")
    return $wrong
}

# trainers_of FILE.sweep, trainers_there_are: sorted words; controls are for who asks for them
trainers_of() { sed -n 's/^trainer = //p' "$1" | tr -s ', ' '\n' | sort; }
trainers_there_are() { dpsweep run --help | sed -n '/^Trainers/,/^$/ s/^  \([a-z]\+\) .*/\1/p' | sort; }

for page in $pages; do
    check "links of $page lead somewhere" links_lead_somewhere "$page"
    check "options that $page shows exist" options_exist "$page"
done

check "jobs/smoke.sweep has all trainers" diff <(trainers_of jobs/smoke.sweep) <(trainers_there_are)

plan_done
