#include "delta.h"

#include "../../lib/delta_apply.h"
#include "proto_test.h"
#include "utf8.h"

/* The patch's length; 0 when none is worth it. Checks that it gives the target back. */
static size_t round_trip(struct hf_slice source, struct hf_slice target)
{
    struct hf_slice exact_source = exact_copy(source);
    struct hf_slice exact_target = exact_copy(target);
    struct hf_buffer patch;
    size_t patch_len = 0;
    size_t len = 0;

    hf_buffer_init(&patch, 0);
    if (hf_delta_encode(exact_source, exact_target, &patch) == HF_DELTA_OK) {
        char *applied = delta_apply(source, hf_buffer_slice(&patch), &len);

        assert_false(hf_buffer_failed(&patch));
        assert_true(patch.len < target.len);
        assert_non_null(applied);
        assert_int_equal(len, target.len);
        assert_memory_equal(applied, target.data, len);
        if (hf_utf8_is_valid(target.data, target.len)) {
            assert_true(hf_utf8_is_valid(patch.data, patch.len));
        }
        patch_len = patch.len;
        free(applied);
    }
    hf_buffer_fini(&patch);
    free((void *)(uintptr_t)exact_source.data);
    free((void *)(uintptr_t)exact_target.data);
    return patch_len;
}

static void test_change_in_the_middle(void **state)
{
    (void)state;
    struct hf_slice source =
        HF_SLICE("{\"player\":\"ann\",\"position\":{\"x\":100,\"y\":200},\"lives\":3,\"level\":7}");
    struct hf_slice target =
        HF_SLICE("{\"player\":\"ann\",\"position\":{\"x\":101,\"y\":200},\"lives\":3,\"level\":7}");
    struct hf_buffer patch;

    hf_buffer_init(&patch, 0);
    assert_int_equal(hf_delta_encode(source, target, &patch), HF_DELTA_OK);
    /* 65 bytes (11 to the base 64): 34 (Y) from the start, a digit, 30 (U) from offset 35 (Z) */
    assert_int_equal(strncmp(patch.data, "11\nY@0,1:1U@Z,", 14), 0);
    hf_buffer_fini(&patch);
    assert_true(round_trip(source, target) > 0);
}

static void test_equal_texts(void **state)
{
    (void)state;
    char text[10000];

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i * i % 23);
    }
    size_t len = round_trip(hf_slice(text, sizeof(text)), hf_slice(text, sizeof(text)));
    assert_true(len > 0 && len < 24);
}

static void test_decoder_knows_foreign_patch(void **state)
{
    (void)state;
    /* Made by hand after the description of the format, so that encoder and decoder of these tests
     * do not only agree with each other. Checksum of "abcdXYef": 61626364 + 58596566. */
    struct hf_slice source = HF_SLICE("abcdef");
    char patch[64];
    size_t len = 0;
    uint32_t sum = UINT32_C(0x61626364) + UINT32_C(0x58596566);
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    char number[8] = {0};

    for (int i = 5; i >= 0; i--) {
        number[5 - i] = digits[sum >> 6 * i & 63];
    }
    (void)snprintf(patch, sizeof(patch), "8\n4@0,2:XY2@4,%s;", number + (number[0] == '0'));
    char *target = delta_apply(source, hf_slice_of(patch), &len);
    assert_non_null(target);
    assert_int_equal(len, 8);
    assert_memory_equal(target, "abcdXYef", 8);
    free(target);
    patch[2] = '5';
    assert_null(delta_apply(source, hf_slice_of(patch), &len));
}

static void test_nothing_in_common(void **state)
{
    (void)state;
    assert_int_equal(
        round_trip(HF_SLICE("abcdefghijklmnopqrstuvwxyz"), HF_SLICE("ZYXWVUTSRQPONMLKJIHGFEDCBA")),
        0);
}

static void test_short_texts(void **state)
{
    (void)state;
    assert_int_equal(round_trip(HF_SLICE(""), HF_SLICE("")), 0);
    assert_int_equal(round_trip(HF_SLICE(""), HF_SLICE("0123456789abcdef")), 0);
    assert_int_equal(round_trip(HF_SLICE("0123456789abcdef"), HF_SLICE("")), 0);
    assert_int_equal(round_trip(HF_SLICE("1234567"), HF_SLICE("1234567")), 0);
}

/* Characters that differ in their last, middle or first byte only: "é" and "è", "∀" and "∃" and "",
 * and of four bytes. */
static void test_utf8_is_not_cut(void **state)
{
    (void)state;
    static const char *const characters[] = {
        "\xc3\xa9",     "\xc3\xa8",         "\xe2\x88\x80",     "\xe2\x88\x83",
        "\xe2\x89\x80", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81", "\xf0\x9f\x99\x80"};
    for (size_t i = 0; i < COUNT(characters); i++) {
        for (size_t j = 0; j < COUNT(characters); j++) {
            char source[256];
            char target[256];
            (void)snprintf(source, sizeof(source), "{\"text\":\"%s and more of it %s\",\"n\":1}",
                           characters[i], characters[i]);
            (void)snprintf(target, sizeof(target), "{\"text\":\"%s and more of it %s\",\"n\":1}",
                           characters[j], characters[j]);
            assert_true(round_trip(hf_slice_of(source), hf_slice_of(target)) > 0);
        }
    }
}

static void test_runs(void **state)
{
    (void)state;
    char source[5000];
    char target[6000];

    memset(source, 'a', sizeof(source));
    memset(target, 'a', sizeof(target));
    target[0] = 'x';
    size_t len = round_trip(hf_slice(source, sizeof(source)), hf_slice(target, sizeof(target)));
    assert_true(len > 0 && len < 40);
}

/* Longer than there are slots in the index: only every n-th block is known. */
static void test_long_text(void **state)
{
    (void)state;
    size_t len = 300000;
    char *source = malloc(len);
    char *target = malloc(len);
    uint32_t random = 1;

    assert_non_null(source);
    assert_non_null(target);
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525 + 1013904223;
        source[i] = (char)(random >> 24);
    }
    memcpy(target, source + 1000, len - 1000);
    memcpy(target + len - 1000, source, 1000);
    size_t patch_len = round_trip(hf_slice(source, len), hf_slice(target, len));
    assert_true(patch_len > 0 && patch_len < 60);
    free(source);
    free(target);
}

/* Bytes of an input are repeated, dropped and changed at random: whatever comes out, the patch
 * gives it back. */
static void test_random_edits(void **state)
{
    (void)state;
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    char source[600];
    char target[700];
    unsigned patched = 0;

    for (int round = 0; round < 3000; round++) {
        size_t source_len = 0;
        size_t target_len = 0;
        uint32_t letters = 1 + round % 7 * 30;

        for (; source_len < (size_t)(round % 600); source_len++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            source[source_len] = (char)((random >> 33) % letters + (round % 2 ? 'a' : 128));
        }
        for (size_t at = 0; at < source_len && target_len < sizeof(target) - 20;) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            switch ((random >> 33) % 40) {
            case 0: /* goes back or forth */
                at = (random >> 40) % source_len;
                break;
            case 1:
                target[target_len++] = (char)(random >> 50);
                break;
            case 2:
                at += (random >> 40) % 5;
                break;
            default:
                target[target_len++] = source[at++];
                break;
            }
        }
        patched += round_trip(hf_slice(source, source_len), hf_slice(target, target_len)) > 0;
    }
    assert_true(patched > 1000);
}

static void test_memory_limit_of_the_buffer(void **state)
{
    (void)state;
    char source[1000];
    char target[1000];
    struct hf_buffer patch;

    for (size_t i = 0; i < sizeof(source); i++) {
        source[i] = (char)('a' + i * 7 % 26);
        target[i] = (char)('a' + i * 11 % 26);
    }
    memcpy(target, source, 500);
    hf_buffer_init(&patch, 16);
    assert_int_equal(hf_delta_encode(hf_slice(source, 1000), hf_slice(target, 1000), &patch),
                     HF_DELTA_OK);
    assert_true(hf_buffer_failed(&patch));
    hf_buffer_fini(&patch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("delta: one digit changed -> two copies and an insert", test_change_in_the_middle),
        TEST("delta: equal texts -> one copy", test_equal_texts),
        TEST("delta: the tests' decoder -> takes a patch made by hand, refuses a wrong length",
             test_decoder_knows_foreign_patch),
        TEST("delta: nothing in common -> useless", test_nothing_in_common),
        TEST("delta: texts shorter than a block -> useless", test_short_texts),
        TEST("delta: characters that share bytes -> the patch is UTF-8", test_utf8_is_not_cut),
        TEST("delta: a run of one letter -> found at its full length", test_runs),
        TEST("delta: 300,000 bytes moved -> two copies", test_long_text),
        TEST("delta: 3000 random edits -> each patch gives the target back", test_random_edits),
        TEST("delta: the buffer's limit is reached -> the buffer has failed",
             test_memory_limit_of_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
