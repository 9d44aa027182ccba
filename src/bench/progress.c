#include "progress.h"
#include "../base/log.h"
#include "../base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* 60120.4 -> "60,120" */
static void whole_number(double value, char *text, size_t bytes)
{
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%.0f", value);
    text[0] = '\0';
    for (int i = 0; i < n; i++)
        text_append(text, bytes, "%s%c", i && (n - i) % 3 == 0 ? "," : "", digits[i]);
}

static void result_words(const struct record *r, char *text, size_t bytes)
{
    char rate[32], peak[32];
    if (record_status(r) != STATUS_OK) {
        snprintf(text, bytes, "%s%s%s", r->status, r->message[0] ? ": " : "", r->message);
        return;
    }
    whole_number(r->throughput_p50, rate, sizeof rate);
    text_from_bytes((double)r->peak_ledger, peak, sizeof peak);
    snprintf(text, bytes, "%.1f ms, %s tokens/s, %s", 1e3 * r->step_time_p50, rate, peak);
    if (r->verdict[0])
        text_append(text, bytes, ", %s", r->verdict);
}

void progress_say(const struct record *r, size_t done, size_t n)
{
    char result[TEXT_BYTES + LONG_BYTES], ranks[32] = "";
    const struct config *c = &r->config;
    result_words(r, result, sizeof result);
    if (c->ranks_per_run > 1)
        snprintf(ranks, sizeof ranks, " on %llu ranks", (unsigned long long)c->ranks_per_run);
    log_info("%zu/%zu %s B=%llu T=%llu %s%s: %s", done, n, c->trainer, (unsigned long long)c->batch_size,
             (unsigned long long)c->seq_len, c->model, ranks, result);
}

static void duration_words(double seconds, char *text, size_t bytes)
{
    if (isnan(seconds))
        snprintf(text, bytes, "?");
    else if (seconds < 100)
        snprintf(text, bytes, "%.0f s", seconds);
    else if (seconds < 100 * 60)
        snprintf(text, bytes, "%.0f min", seconds / 60);
    else
        snprintf(text, bytes, "%.1f h", seconds / 3600);
}

void progress_show(size_t done, size_t n, size_t running, double left_s)
{
    char left[32];
    duration_words(left_s, left, sizeof left);
    log_progress("%zu of %zu measured, %zu running, about %s left", done, n, running, left);
}

void progress_hide(void)
{
    log_progress(NULL);
}
