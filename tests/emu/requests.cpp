/* requests.cpp - how well the threads of a warp share their memory accesses; part of the checker's build.
 *
 * EMU_REPORT=file writes at exit one line for each place in the code that accesses memory:
 *
 *   kernel  global|shared  read|write  requests  cost  program  offset
 *
 * A request is what the 32 threads of a warp do at one time.  Global memory moves in sectors of 32 bytes: cost is the
 * sectors touched over the fewest that could hold the bytes (1 is ideal, 8 the worst for floats).  Shared memory has 32
 * banks: cost is the number of words wanted of the fullest bank (1 is ideal, 32 the worst).  Both are means over the
 * requests.  The k-th time that a thread passes a place is taken to be one request with the k-th time of the other
 * threads of its warp. */
#include "emulator.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

enum { WARP = 32, SECTOR = 32, BANKS = 32, WORD = 4 };

struct place { // in the code of a kernel
    memory_access like;
    double requests, used, ideal;
};
static std::map<std::pair<std::string, const void *>, place> places;

/* Of the running block. */
static std::map<std::pair<const void *, int>, unsigned> passed; // how often, by place and thread
static std::map<std::tuple<const void *, int, unsigned>, std::vector<memory_access>> requests; // by place, warp, k

static void count_sectors(place &p, const std::vector<memory_access> &request)
{
    std::set<uintptr_t> sectors, addresses;
    for (const memory_access &a : request) {
        addresses.insert(a.address);
        sectors.insert(a.address / SECTOR);
        sectors.insert((a.address + (unsigned)a.bytes - 1) / SECTOR);
    }
    p.used += (double)sectors.size();
    p.ideal += (double)((addresses.size() * (unsigned)request[0].bytes + SECTOR - 1) / SECTOR);
}

static void count_bank_turns(place &p, const std::vector<memory_access> &request)
{
    std::set<uintptr_t> words;
    int turns[BANKS] = {};
    for (const memory_access &a : request) words.insert(a.address / WORD);
    for (uintptr_t w : words) turns[w % BANKS]++;
    p.used += *std::max_element(turns, turns + BANKS);
    p.ideal += 1;
}

static void write_report()
{
    FILE *file = fopen(getenv("EMU_REPORT"), "w");
    if (!file) perror(getenv("EMU_REPORT")), _Exit(3);
    for (const auto &entry : places) {
        const place &p = entry.second;
        Dl_info d = {};
        dladdr(p.like.from, &d);
        fprintf(file, "%s\t%s\t%s\t%.0f\t%.2f\t%s\t0x%lx\n", entry.first.first.c_str(),
                p.like.shared ? "shared" : "global", p.like.writes ? "write" : "read", p.requests, p.used / p.ideal,
                d.dli_fname, (unsigned long)((const char *)p.like.from - 1 - (const char *)d.dli_fbase));
    }
    fclose(file);
}

static bool wanted()
{
    static const bool w = getenv("EMU_REPORT") && !atexit(write_report);
    return w;
}

void requests_add(const memory_access &a)
{
    if (!wanted()) return;
    const unsigned k = passed[{a.from, now.thread}]++;
    requests[{a.from, now.thread / WARP, k}].push_back(a);
}

void requests_end_block()
{
    for (const auto &entry : requests) {
        const memory_access &a = entry.second[0];
        place &p = places.try_emplace({now.kernel, a.from}, place{a, 0, 0, 0}).first->second;
        p.requests++;
        if (a.shared) count_bank_turns(p, entry.second);
        else count_sectors(p, entry.second);
    }
    requests.clear();
    passed.clear();
}
