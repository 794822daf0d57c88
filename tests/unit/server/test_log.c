/* The log (server/log.c). Lines are read back from a file, or from a replaced standard error. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "log.h"

static char path[64];

static int open_log(void **state)
{
    (void)state;
    strcpy(path, "/tmp/hf_log_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return hf_log_init(HF_LOG_TRACE, path);
}

static int close_log(void **state)
{
    (void)state;
    hf_log_fini();
    unlink(path);
    return 0;
}

/* The whole log file; the caller frees it. */
static char *read_log(void)
{
    static const size_t max = 4 * 1024 * 1024;
    char *text = malloc(max);
    FILE *file = fopen(path, "r");
    assert_non_null(text);
    assert_non_null(file);
    size_t len = fread(text, 1, max - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

/* The only line of the log as JSON; a new reference. */
static json_t *read_line(void)
{
    char *text = read_log();
    json_error_t error;
    assert_non_null(strchr(text, '\n'));
    assert_int_equal(strchr(text, '\n')[1], '\0');
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL) {
        fail_msg("%s in %s", error.text, text);
    }
    free(text);
    return line;
}

static const char *string_of(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}

static void line_in_a_file_is_json_with_level_time_and_message(void **state)
{
    (void)state;
    hf_log(HF_LOG_WARN, "it is late");
    json_t *line = read_line();
    assert_int_equal(json_object_size(line), 3);
    assert_string_equal(string_of(line, "level"), "warn");
    assert_string_equal(string_of(line, "message"), "it is late");
    assert_int_equal(strlen(string_of(line, "time")), strlen("2026-01-01T00:00:00.000Z"));
    json_decref(line);
}

static void fields_of_each_type_are_written(void **state)
{
    (void)state;
    const char *volatile no_string = NULL; /* volatile: the compiler refuses a NULL that it sees */
    hf_log(HF_LOG_INFO, "all",
           "s=%s part=%.*s cut3=%.3s none=%s c=%c d=%d i=%i u=%u x=%x l=%ld ul=%lu ll=%lld z=%zu "
           "j=%jd t=%td i64=%" PRId64 " f=%.2f g=%g inf=%f",
           "text", 2, "abc", "abcdef", no_string, 'c', -1, -2, 3U, 255U, -4L, 5UL, -6LL, (size_t)7,
           (intmax_t)-8, (ptrdiff_t)9, INT64_MIN, 1.005, 0.25, (double)INFINITY);
    json_t *line = read_line();
    assert_string_equal(string_of(line, "s"), "text");
    assert_string_equal(string_of(line, "part"), "ab");
    assert_string_equal(string_of(line, "cut3"), "abc");
    assert_true(json_is_null(json_object_get(line, "none")));
    assert_string_equal(string_of(line, "c"), "c");
    assert_int_equal(json_integer_value(json_object_get(line, "d")), -1);
    assert_int_equal(json_integer_value(json_object_get(line, "i")), -2);
    assert_int_equal(json_integer_value(json_object_get(line, "u")), 3);
    assert_string_equal(string_of(line, "x"), "ff");
    assert_int_equal(json_integer_value(json_object_get(line, "l")), -4);
    assert_int_equal(json_integer_value(json_object_get(line, "ul")), 5);
    assert_int_equal(json_integer_value(json_object_get(line, "ll")), -6);
    assert_int_equal(json_integer_value(json_object_get(line, "z")), 7);
    assert_int_equal(json_integer_value(json_object_get(line, "j")), -8);
    assert_int_equal(json_integer_value(json_object_get(line, "t")), 9);
    assert_int_equal(json_integer_value(json_object_get(line, "i64")), INT64_MIN);
    assert_true(fabs(json_number_value(json_object_get(line, "f")) - 1.0) < 0.02);
    assert_true(json_real_value(json_object_get(line, "g")) == 0.25);
    assert_string_equal(string_of(line, "inf"), "inf");
    json_decref(line);
}

static void largest_unsigned_number_is_written_in_full(void **state)
{
    (void)state;
    hf_log(HF_LOG_INFO, "m", "u64=%" PRIu64, UINT64_MAX);
    char *text = read_log();
    assert_non_null(strstr(text, "\"u64\":18446744073709551615}"));
    free(text);
}

static void strings_are_escaped_and_made_valid_utf8(void **state)
{
    (void)state;
    hf_log(HF_LOG_INFO, "quote \" back \\ line\nend", "a=%s b=%s c=%s", "\x01\t\x7f\"\n",
           "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xff\xc3(\xe0\x80\x80\xed\xa0\x80\xc2\x9b");
    json_t *line = read_line();
    assert_string_equal(string_of(line, "message"), "quote \" back \\ line\nend");
    assert_string_equal(string_of(line, "a"), "\x01\t\x7f\"\n");
    assert_string_equal(string_of(line, "b"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    const char *replaced = string_of(line, "c");
    assert_non_null(strstr(replaced, "\xef\xbf\xbd("));
    json_decref(line);
    char *text = read_log();
    assert_null(strpbrk(strchr(text, '{'), "\x01\x7f"));
    assert_null(strstr(text, "\xc2\x9b"));
    free(text);
}

static void line_that_is_too_long_is_cut_and_still_json(void **state)
{
    (void)state;
    char long_text[2 * HF_LOG_LINE_MAX];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    hf_log(HF_LOG_INFO, "fields", "first=%d long=%s last=%d", 1, long_text, 2);
    json_t *line = read_line();
    assert_int_equal(json_integer_value(json_object_get(line, "first")), 1);
    assert_null(json_object_get(line, "long"));
    assert_true(json_is_true(json_object_get(line, "cut")));
    json_decref(line);
    assert_int_equal(truncate(path, 0), 0);

    memset(long_text, '\n', sizeof(long_text) - 1);
    hf_log_write(HF_LOG_INFO, long_text, " a=%d", 1);
    line = read_line();
    assert_true(json_is_true(json_object_get(line, "cut")));
    assert_true(strlen(string_of(line, "message")) > HF_LOG_LINE_MAX / 2 - 100);
    json_decref(line);
}

static void every_length_around_the_limit_gives_one_json_line(void **state)
{
    (void)state;
    char text[HF_LOG_LINE_MAX + 16];
    for (size_t len = HF_LOG_LINE_MAX - 160; len < HF_LOG_LINE_MAX; len++) {
        memset(text, 'y', len);
        text[len] = '\0';
        assert_int_equal(truncate(path, 0), 0);
        hf_log(HF_LOG_INFO, "m", "a=%s b=%d", text, 5);
        json_decref(read_line());
        assert_int_equal(truncate(path, 0), 0);
        hf_log_write(HF_LOG_INFO, text, " b=%d", 5);
        json_decref(read_line());
    }
}

static int count_evaluations;

static int evaluate(void)
{
    return ++count_evaluations;
}

static void line_below_the_level_is_not_written_nor_evaluated(void **state)
{
    (void)state;
    assert_int_equal(hf_log_init(HF_LOG_WARN, path), 0);
    count_evaluations = 0;
    hf_log(HF_LOG_INFO, "no", "a=%d", evaluate());
    hf_log(HF_LOG_WARN, "yes", "a=%d", evaluate());
    assert_int_equal(count_evaluations, 1);
    json_t *line = read_line();
    assert_string_equal(string_of(line, "message"), "yes");
    json_decref(line);
    assert_int_equal(hf_log_init(HF_LOG_NONE, path), 0);
    assert_false(hf_log_enabled(HF_LOG_ERROR));
    assert_false(hf_log_enabled(HF_LOG_NONE));
}

static void file_that_cannot_be_opened_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(hf_log_init(HF_LOG_ERROR, "/nonexistent/x"), -ENOENT);
    assert_true(hf_log_enabled(HF_LOG_TRACE));
    hf_log(HF_LOG_TRACE, "still here");
    json_decref(read_line());
}

static void errno_survives_logging(void **state)
{
    (void)state;
    errno = EBUSY;
    hf_log(HF_LOG_INFO, "m");
    assert_int_equal(errno, EBUSY);
}

#define THREADS 4
#define LINES   500

static void *write_many(void *argument)
{
    for (int i = 0; i < LINES; i++) {
        hf_log(HF_LOG_INFO, "many", "thread=%d line=%d", *(int *)argument, i);
    }
    return NULL;
}

static void lines_of_several_threads_never_mix(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    int next[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    char *text = read_log();
    int count = 0;
    char *rest;
    for (char *at = strtok_r(text, "\n", &rest); at != NULL; at = strtok_r(NULL, "\n", &rest)) {
        json_t *line = json_loads(at, 0, NULL);
        assert_non_null(line);
        json_int_t thread = json_integer_value(json_object_get(line, "thread"));
        assert_int_equal(json_integer_value(json_object_get(line, "line")), next[thread]++);
        json_decref(line);
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
    free(text);
}

/* Logs one line to standard error, with standard output being out_fd, into the log file. */
static void log_to_stderr(int out_fd)
{
    int old_out = dup(STDOUT_FILENO);
    int old_err = dup(STDERR_FILENO);
    int file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(old_out >= 0 && old_err >= 0 && file >= 0);
    hf_log_fini();
    fflush(stdout);
    dup2(out_fd, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    hf_log(HF_LOG_DEBUG, "below the level before init");
    hf_log(HF_LOG_ERROR, "look\nhere", "plain=%s spaced=%s empty=%s n=%d", "a/b", "a \"b\"", "", 5);
    dup2(old_out, STDOUT_FILENO);
    dup2(old_err, STDERR_FILENO);
    close(old_out);
    close(old_err);
    close(file);
}

static void standard_output_that_is_no_terminal_gives_json(void **state)
{
    (void)state;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_to_stderr(null);
    close(null);
    json_t *line = read_line();
    assert_string_equal(string_of(line, "message"), "look\nhere");
    assert_string_equal(string_of(line, "spaced"), "a \"b\"");
    json_decref(line);
}

static void standard_output_that_is_a_terminal_gives_text(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    char name[64];
    assert_int_equal(ptsname_r(terminal, name, sizeof(name)), 0);
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    log_to_stderr(slave);
    close(slave);
    close(terminal);
    char *text = read_log();
    assert_non_null(
        strstr(text, "Z error look\\nhere plain=a/b spaced=\"a \\\"b\\\"\" empty=\"\" n=5\n"));
    free(text);
}

static void repeated_message_passes_once_per_interval(void **state)
{
    (void)state;
    struct hf_log_limit limit = {0};
    uint32_t suppressed = 99;
    assert_true(hf_log_limit_pass_at(&limit, 1000, 500, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_false(hf_log_limit_pass_at(&limit, 1000, 500, &suppressed));
    assert_false(hf_log_limit_pass_at(&limit, 1499, 500, NULL));
    assert_true(hf_log_limit_pass_at(&limit, 1500, 500, &suppressed));
    assert_int_equal(suppressed, 2);
    assert_true(hf_log_limit_pass_at(&limit, 9000, 500, &suppressed));
    assert_int_equal(suppressed, 0);
    struct hf_log_limit other = {0};
    assert_true(hf_log_limit_pass(&other, 3600000, NULL));
    assert_false(hf_log_limit_pass(&other, 3600000, NULL));
}

static struct hf_log_limit shared_limit;
static _Atomic uint32_t passed;

static void *pass_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < LINES; i++) {
        if (hf_log_limit_pass_at(&shared_limit, 1, 1000, NULL)) {
            passed++;
        }
    }
    return NULL;
}

static void limit_of_several_threads_lets_one_pass(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    passed = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, pass_many, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(passed, 1);
    uint32_t suppressed = 0;
    assert_true(hf_log_limit_pass_at(&shared_limit, 2000, 1000, &suppressed));
    assert_in_range(suppressed, THREADS * LINES - THREADS, THREADS * LINES - 1);
}

static void level_names(void **state)
{
    (void)state;
    assert_string_equal(hf_log_level_name(HF_LOG_TRACE), "trace");
    assert_string_equal(hf_log_level_name(HF_LOG_NONE), "none");
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, open_log, close_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(line_in_a_file_is_json_with_level_time_and_message),
        LOG_TEST(fields_of_each_type_are_written),
        LOG_TEST(largest_unsigned_number_is_written_in_full),
        LOG_TEST(strings_are_escaped_and_made_valid_utf8),
        LOG_TEST(line_that_is_too_long_is_cut_and_still_json),
        LOG_TEST(every_length_around_the_limit_gives_one_json_line),
        LOG_TEST(line_below_the_level_is_not_written_nor_evaluated),
        LOG_TEST(file_that_cannot_be_opened_changes_nothing),
        LOG_TEST(errno_survives_logging),
        LOG_TEST(lines_of_several_threads_never_mix),
        LOG_TEST(standard_output_that_is_no_terminal_gives_json),
        LOG_TEST(standard_output_that_is_a_terminal_gives_text),
        cmocka_unit_test(repeated_message_passes_once_per_interval),
        cmocka_unit_test(limit_of_several_threads_lets_one_pass),
        cmocka_unit_test(level_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
