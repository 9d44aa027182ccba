#!/bin/bash
# merge and rebuild: results of several sweeps in one file that is as good as one that was measured.
. "$(dirname "$0")/lib.sh"

cd "$TMPDIR" || exit 1
common=(--seq-len 16 --active-steps 1 --warmup-steps 0 --wait-steps 0)
sweep() { dpsweep sweep "${common[@]}" "$@"; }
merge() { dpsweep merge "$@"; }
no_file() { for file; do [[ ! -e $file ]] || return 1; done; }
started_with() { [[ " $(column "$1" start_time) " == *" $2 "* ]]; } # FILE "TIMES": runs that started then, in a row
runs_in() { dpsweep report --format csv "$1" | tail -n +2 | wc -l; }

# Two tasks of a job array: each numbers its runs from 0, one point is in both.
check "a first shard is measured"  sweep --trainer standard,dpsgd --batch-size 2 -o a.h5
check "a second shard is measured" sweep --trainer dpsgd,ghost --batch-size 2 -o b.h5

check "two shards are merged" merge a.h5 b.h5 -o c.h5
check "... which says that it gave them new numbers" said "run_id given anew"
check "... and that one was in both" said "1 results left out: of the same configuration the last successful"
check "... with each configuration once" column_is c.h5 trainer "standard dpsgd ghost"
check "... and numbers that are unique" column_is c.h5 run_id "0 1 2"
check "... of which the later one is kept" started_with c.h5 "$(column b.h5 start_time | cut -d ' ' -f 1)"
check "... and the steps of all" eval '[[ $(column c.h5 steps_count) == "1 1 1" ]]'
check "the merged file is complete" dpsweep report c.h5
check "... which the report does not deny" said_not "not complete"
check "journals are merged as well as files" merge a.journal b.journal -o d.h5
check "... to the same runs" eval '[[ $(column d.h5 start_time) == $(column c.h5 start_time) ]]'
check "a merged file can be merged" merge c.h5 a.h5 -o e.h5
check "... whose numbers stay" said_not "given anew"
check "... with the same runs" column_is e.h5 trainer "standard dpsgd ghost"

check "a merged sweep goes on with --resume" sweep --trainer standard,dpsgd,ghost --batch-size 2,3 -o c.h5 --resume
check "... having measured only what was missing" started_with c.h5 "$(column d.h5 start_time)"
check "... to six runs" eval '(($(runs_in c.h5) == 6))'

check "a shard with a run that fails" sweep --trainer standard --batch-size 2 --memory-limit 4096 -o small.h5
check "... is merged" merge small.h5 a.h5 -o f.h5
check "... beside the others, as its limit makes it another configuration" column_is f.h5 status "oom_predicted ok ok"

check_fails 2 "an output that exists is kept" merge a.h5 b.h5 -o c.h5
check "... and the remedy named" said "c.journal exists: take another -o, or replace it with --overwrite"
check "... unless it is to be replaced" merge a.h5 b.h5 -o c.h5 --overwrite
check "... with what was merged" eval '(($(runs_in c.h5) == 3))'
check_fails 2 "an output that is also an input is refused" merge a.h5 c.h5 -o c.h5 --overwrite
check "... by name" said "c.h5 is one of the files to be merged"
check_fails 2 "an input named twice is refused" merge a.h5 ./a.h5 -o g.h5
check_fails 2 "an output of another name is refused" merge a.h5 b.h5 -o g.hdf
check_fails 2 "merge without an output is refused" merge a.h5 b.h5
check_fails 2 "merge without an input is refused" merge -o g.h5
echo "no results" > text.h5
check_fails 2 "what is no results file is refused" merge a.h5 text.h5 -o g.h5
check "... by name, on one line" eval 'said "text.h5" && said_one_line'
check_fails 2 "other HDF5 files are refused" merge a.h5 "$ROOT/tests/golden/postln.h5" -o g.h5
check "... by name" said "postln.h5: an HDF5 file, but not results of dpsweep"
check_fails 2 "an absent file is refused" merge a.h5 absent.h5 -o g.h5
check_fails 3 "a folder that is not there is named" merge a.h5 b.h5 -o absent/g.h5
check "after refusals there is neither file nor journal" no_file g.h5 g.journal
check "... nor a temporary one" eval '[[ -z $(find . -name "*.tmp*") ]]'

# An interim file: the sweep was stopped, the journal knows more.
"$BUILD/tests/test_store" --sample interim.h5 || exit 1
dpsweep merge a.journal -o begun.h5 > /dev/null || exit 1
head -c -32 begun.journal > cut.journal # without its last frame: the sweep has not ended
check "a sweep that was stopped is merged" merge cut.journal b.h5 -o h.h5
check "... to one that is not complete" said "not complete"
check "... in the report as well" eval 'dpsweep report h.h5 | grep -q "not complete"'

# ---- rebuild
cp c.h5 before.h5
check "a file is published again from its journal" dpsweep rebuild c.h5
check "... byte by byte the same" cmp c.h5 before.h5
rm c.h5
check "... also when it is lost" dpsweep rebuild c.h5
check "... byte by byte the same" cmp c.h5 before.h5
cp c.journal whole.journal
"${PYTHON:-/usr/bin/python3}" - c.journal <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[data.rindex(b"ghost\0")] ^= 1 # within the last record
open(sys.argv[1], "wb").write(data)
END
check "a damaged journal is published without what is lost" dpsweep rebuild c.h5
check "... which is said" said "c.journal is damaged: 1 frames are left out"
check "... and the others are there" column_is c.h5 trainer "standard dpsgd"
cp whole.journal c.journal
check_fails 2 "rebuild wants the name of the file" dpsweep rebuild c.journal
check_fails 2 "rebuild names a journal that is not there" dpsweep rebuild absent.h5
check "... on one line" eval 'said absent.journal && said_one_line'

plan_done
