/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of control groups, from files as hosts and containers of either version have them. */
#include "wire_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "oom.h"

static char root[] = "/tmp/wsgi-oom-XXXXXX";

static void make_parents(const char *path)
{
    char part[1024];
    size_t i;

    snprintf(part, sizeof part, "%s%s", root, path);
    for (i = strlen(root) + 1; part[i] != '\0'; i++)
        if (part[i] == '/') {
            part[i] = '\0';
            mkdir(part, 0755);
            part[i] = '/';
        }
}

static void put(const char *path, const char *text)
{
    char full[1024];
    FILE *file;

    make_parents(path);
    snprintf(full, sizeof full, "%s%s", root, path);
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int clear(void **state)
{
    char command[1024];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s/*", root);
    return system(command);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int finish(void **state)
{
    clear(state);
    return rmdir(root);
}

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

static void test_version_2(void **state)
{
    struct wsgi_oom oom;

    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/apache2.service\n");
    put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" V2_MOUNT);
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.events",
        "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n");
    wsgi_oom_find(&oom, root);
    assert_int_equal(wsgi_oom_count(&oom), 2);
}

/* The path is the host's, the mount is the container's. */
static void test_version_1_in_a_container(void **state)
{
    struct wsgi_oom oom;

    (void)state;
    put("/proc/self/cgroup", "11:cpu,cpuacct:/docker/12ab\n4:hugetlb,memory:/docker/12ab\n0::/\n");
    put("/proc/self/mountinfo",
        "40 30 0:30 /docker/12ab /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" V2_MOUNT
        "41 30 0:31 /docker/12ab /sys/fs/cgroup/memory rw master:9 - cgroup cgroup rw,memory\n");
    put("/sys/fs/cgroup/memory/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
    wsgi_oom_find(&oom, root);
    assert_int_equal(wsgi_oom_count(&oom), 5);
}

/* A host with both, where the memory belongs to version 1. */
static void test_both_versions(void **state)
{
    struct wsgi_oom oom;

    (void)state;
    put("/proc/self/cgroup", "4:memory:/a b\n0::/\n");
    put("/proc/self/mountinfo", V2_MOUNT "41 30 0:31 / /cg/memory rw - cgroup cgroup rw,memory\n");
    put("/cg/memory/a b/memory.oom_control", "oom_kill 1\n");
    wsgi_oom_find(&oom, root);
    assert_int_equal(wsgi_oom_count(&oom), 1);
}

static void test_no_counter(void **state)
{
    struct wsgi_oom oom;

    (void)state;
    wsgi_oom_find(&oom, root); /* no /proc */
    assert_int_equal(wsgi_oom_count(&oom), -1);
    assert_int_equal(wsgi_oom_judge(&oom), WSGI_OOM_UNKNOWN);
    put("/proc/self/cgroup", "garbage\n4:memoryless:/x\n0::/x\n::::\n");
    put("/proc/self/mountinfo", "- cgroup2\n x - cgroup2 \n" V2_MOUNT);
    put("/sys/fs/cgroup/x/memory.events", "oom_killer 7\n");
    wsgi_oom_find(&oom, root);
    assert_int_equal(wsgi_oom_count(&oom), -1);
    wsgi_oom_sample(&oom, 1);
    assert_int_equal(wsgi_oom_judge(&oom), WSGI_OOM_UNKNOWN);
}

/* What was counted lately belongs to one end, and what was counted long ago to none. */
static void test_whose_count_it_is(void **state)
{
    static const char events[] = "/sys/fs/cgroup/memory.events";
    struct wsgi_oom oom;

    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put(events, "oom_kill 4\n");
    wsgi_oom_find(&oom, root);
    wsgi_oom_sample(&oom, 100);
    assert_int_equal(wsgi_oom_judge(&oom), WSGI_OOM_NO);
    put(events, "oom_kill 6\n");
    wsgi_oom_sample(&oom, 100 + WSGI_OOM_SPAN);
    assert_int_equal(wsgi_oom_judge(&oom), WSGI_OOM_YES);
    assert_int_equal(wsgi_oom_judge(&oom), WSGI_OOM_YES);
    assert_int_equal(wsgi_oom_judge(&oom), WSGI_OOM_NO);
    put(events, "oom_kill 7\n"); /* not one of ours */
    wsgi_oom_sample(&oom, 100 + 2 * WSGI_OOM_SPAN);
    wsgi_oom_sample(&oom, 100 + 2 * WSGI_OOM_SPAN + 1);
    wsgi_oom_sample(&oom, 100 + 3 * WSGI_OOM_SPAN);
    assert_int_equal(wsgi_oom_judge(&oom), WSGI_OOM_NO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_version_2, clear),
        cmocka_unit_test_teardown(test_version_1_in_a_container, clear),
        cmocka_unit_test_teardown(test_both_versions, clear),
        cmocka_unit_test_teardown(test_no_counter, clear),
        cmocka_unit_test_teardown(test_whose_count_it_is, clear),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
