/* test_strict.c - mistakes that must not go unnoticed: steps that depart from their rehearsal, memory misused. */
#include "../src/base/log.h"
#include "on_device.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- departures from the rehearsal ----------------------------------------------------------------------------- */

/* Runs `mistake` in another process: it must end with one line and EXIT_ENVIRONMENT. */
static void assert_stops(const char *name, void (*mistake)(void))
{
    char said[1024] = "";
    int pipe_end[2], status;
    assert_int_equal(pipe(pipe_end), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(pipe_end[1], STDERR_FILENO);
        mistake();
        _exit(0);
    }
    close(pipe_end[1]);
    FILE *stderr_of_child = fdopen(pipe_end[0], "r");
    const size_t n = fread(said, 1, sizeof said - 1, stderr_of_child);
    fclose(stderr_of_child);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_ENVIRONMENT)
        fail_msg("%s: status %d instead of an exit with %d, said: %s", name, status, EXIT_ENVIRONMENT, said);
    assert_true(n > 0 && strchr(said, '\n') == said + n - 1);
    assert_non_null(strstr(said, "internal error"));
}

static void rehearse_two_blocks(void)
{
    ledger_open(LEDGER_REAL, 0);
    ledger_rehearse_begin();
    ledger_start(PROGRAM_STEP);
    void *a = ledger_take(MEMORY_WORKSPACE, "a", 1024), *b = ledger_take(MEMORY_DATA, "b", 1024);
    ledger_release(a);
    ledger_release(b);
    ledger_finish();
    ledger_rehearse_end();
    if (!ledger_commit())
        _exit(77);
    ledger_start(PROGRAM_STEP);
}

static void *take_a(void) { return ledger_take(MEMORY_WORKSPACE, "a", 1024); }
static void *take_b(void) { return ledger_take(MEMORY_DATA, "b", 1024); }

static void takes_more_bytes(void) { rehearse_two_blocks(), ledger_take(MEMORY_WORKSPACE, "a", 1025); }
static void takes_another_kind(void) { rehearse_two_blocks(), ledger_take(MEMORY_DATA, "a", 1024); }
static void takes_another_name(void) { rehearse_two_blocks(), ledger_take(MEMORY_WORKSPACE, "c", 1024); }
static void takes_once_more(void) { rehearse_two_blocks(), take_a(), take_b(), take_b(); }
static void finishes_too_early(void) { rehearse_two_blocks(), ledger_finish(); }
static void releases_in_another_order(void) { rehearse_two_blocks(), take_a(), ledger_release(take_b()); }
static void releases_twice(void)
{
    rehearse_two_blocks();
    void *a = take_a();
    take_b();
    ledger_release(a);
    ledger_release(a);
}
static void takes_outside_of_a_program(void) { ledger_open(LEDGER_REAL, 0), take_a(); }
static void starts_without_memory(void) { ledger_open(LEDGER_REAL, 0), ledger_start(PROGRAM_STEP); }
static void frees_twice(void)
{
    ledger_open(LEDGER_REAL, 0);
    void *a = ledger_alloc(MEMORY_DATA, "a", 1);
    ledger_free(a);
    ledger_free(a);
}
static void closes_with_live_bytes(void)
{
    ledger_open(LEDGER_REAL, 0);
    ledger_alloc(MEMORY_DATA, "a", 1);
    ledger_close();
}
static void keeps_a_block(void)
{
    ledger_open(LEDGER_REAL, 0);
    ledger_rehearse_begin();
    ledger_start(PROGRAM_STEP);
    take_a();
    ledger_finish();
}

static void a_departure_from_the_rehearsal_stops_the_program(void **state)
{
    (void)state;
#define STOPS(mistake) assert_stops(#mistake, mistake)
    STOPS(takes_more_bytes);
    STOPS(takes_another_kind);
    STOPS(takes_another_name);
    STOPS(takes_once_more);
    STOPS(finishes_too_early);
    STOPS(releases_in_another_order);
    STOPS(releases_twice);
    STOPS(takes_outside_of_a_program);
    STOPS(starts_without_memory);
    STOPS(frees_twice);
    STOPS(closes_with_live_bytes);
    STOPS(keeps_a_block);
}

/* ---- the strict device ----------------------------------------------------------------------------------------- */

static void the_host_cannot_touch_device_memory(void **state)
{
    (void)state;
    ledger_open(LEDGER_REAL, 0);
    const float one = 1, *x = send(&one, 1);
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer would report and exit */
        _exit(*(const volatile float *)x == one ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_true(fetch(x, 1)[0] == one);
    drop_all();
    ledger_close();
}

static void memory_that_was_never_written_or_was_released_holds_nan(void **state)
{
    (void)state;
    const float one[64] = {1};
    ledger_open(LEDGER_REAL, 0);
    float *a = ledger_alloc(MEMORY_DATA, "a", sizeof one);
    for (int i = 0; i < 64; i++) assert_true(isnan(fetch(a, 64)[i]));
    ledger_free(a);
    ledger_rehearse_begin();
    for (int real = 0; real < 2; real++) {
        ledger_start(PROGRAM_STEP);
        for (int turn = 0; turn < 2; turn++) { /* the second block lies where the first did */
            a = ledger_take(MEMORY_WORKSPACE, "a", sizeof one);
            for (int i = 0; i < 64 && real; i++) assert_true(isnan(fetch(a, 64)[i]));
            device_copy_in(a, one, sizeof one);
            ledger_release(a);
        }
        ledger_finish();
        if (!real) {
            ledger_rehearse_end();
            assert_true(ledger_commit());
        }
    }
    ledger_close();
}

int main(void)
{
    open_strict_device(1);
    const struct CMUnitTest tests[] = {
        TEST(a_departure_from_the_rehearsal_stops_the_program),
        TEST(the_host_cannot_touch_device_memory),
        TEST(memory_that_was_never_written_or_was_released_holds_nan),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close();
    return failed;
}
