/* sample_journal.h - journals of sample records; for tests with cmocka. */
#ifndef SAMPLE_JOURNAL_H
#define SAMPLE_JOURNAL_H
#include "sample_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

static char error[1024];

static inline struct journal *open_journal(const char *path, enum journal_mode mode)
{
    const struct sweep_header h = sample_header();
    error[0] = '\0';
    return journal_open(path, mode, &h, error, sizeof error);
}

static inline void append_samples(struct journal *j, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        struct record r = sample_record(n);
        journal_started(j, r.config_sha256, 1, 0);
        journal_result(j, &r);
        record_clear(&r);
    }
}

/* A journal of samples [0, n), and nothing else of that name. */
static inline const char *write_journal(const char *name, unsigned n)
{
    const char *base = in_tmp(name), *path;
    char file[64];
    remove_files(base);
    snprintf(file, sizeof file, "%s.journal", name);
    path = in_tmp(file);
    struct journal *j = open_journal(path, JOURNAL_NEW);
    assert_non_null(j);
    append_samples(j, 0, n);
    assert_true(journal_close(j));
    return path;
}

static inline struct sweep_state read_journal(const char *path)
{
    struct sweep_state s;
    if (!journal_read(path, &s, error, sizeof error))
        fail_msg("%s", error);
    return s;
}

static inline void assert_samples(const struct sweep_state *s, unsigned n)
{
    assert_int_equal(s->n_records, n);
    for (unsigned i = 0; i < n; i++)
        assert_true(is_sample(&s->record[i], i));
}

static inline off_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* Refused in one line that says both. */
static inline void assert_refused(const char *path, enum journal_mode mode, const char *first, const char *second)
{
    assert_null(open_journal(path, mode));
    assert_non_null(strstr(error, first));
    assert_non_null(strstr(error, second));
    assert_null(strchr(error, '\n'));
}
#endif
