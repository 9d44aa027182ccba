/* test_host_memory.c - the least limit of the groups that this process is in, and of those above them. */
#include "../src/base/host_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[256];

static void write_file(const char *path, const char *text)
{
    char name[1024];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = name + strlen(root); (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

/* An empty system of files. */
static int begin(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/root-XXXXXX", folder ? folder : "/tmp");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    char command[512];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void without_groups_it_is_the_memory_of_the_machine(void **state)
{
    (void)state;
    assert_true(host_memory_bytes(root) > 1 << 20);
    assert_true(host_memory_bytes(root) >= host_memory_bytes(""));
}

static void a_group_of_version_2_limits(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/slurm/job_7/step_0\n");
    write_file("/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n");
    const uint64_t all = host_memory_bytes(root);
    write_file("/sys/fs/cgroup/slurm/job_7/memory.max", "7340032\n");
    assert_int_equal(host_memory_bytes(root), 7340032);
    write_file("/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "4194304\n");
    assert_int_equal(host_memory_bytes(root), 4194304);
    assert_true(all > 7340032);
}

static void a_group_of_version_1_limits_by_its_memory_controller(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "9:cpuset:/box\n7:memory:/box\n1:name=systemd:/x\n");
    write_file("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    const uint64_t all = host_memory_bytes(root);
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "5242880\n");
    assert_int_equal(host_memory_bytes(root), 5242880);
    assert_true(all > 5242880);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_groups_it_is_the_memory_of_the_machine, begin, end),
        cmocka_unit_test_setup_teardown(a_group_of_version_2_limits, begin, end),
        cmocka_unit_test_setup_teardown(a_group_of_version_1_limits_by_its_memory_controller, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
