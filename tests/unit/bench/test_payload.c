#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "json.h"
#include "payload.h"

static const struct hf_payload sample = {
    .channel = 12345678, .publisher = 654321, .sequence = 4000000000u, .time_ns = UINT64_MAX};

static void test_written_payload_is_json_and_reads_back(void **state)
{
    (void)state;
    static char text[HF_PAYLOAD_MAX];
    const size_t sizes[] = {HF_PAYLOAD_MIN, HF_PAYLOAD_MIN + 1, 128, 5000, HF_PAYLOAD_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct hf_payload read;
        hf_payload_write(&sample, text, sizes[i]);
        assert_true(hf_json_is_valid(hf_slice(text, sizes[i])));
        assert_true(hf_payload_read(hf_slice(text, sizes[i]), &read));
        assert_int_equal(read.channel, sample.channel);
        assert_int_equal(read.publisher, sample.publisher);
        assert_int_equal(read.sequence, sample.sequence);
        assert_true(read.time_ns == sample.time_ns);
    }
}

/* Any other character in any place: what is read is refused, or it is another time. */
static void test_changed_byte_is_noticed(void **state)
{
    (void)state;
    char text[HF_PAYLOAD_MIN];
    struct hf_payload read;
    hf_payload_write(&sample, text, sizeof text);
    for (size_t i = 0; i < sizeof text; i++) {
        char was = text[i];
        text[i] = was == '7' ? '8' : '7';
        assert_true(!hf_payload_read(hf_slice(text, sizeof text), &read) ||
                    read.time_ns != sample.time_ns);
        text[i] = was;
    }
    assert_false(hf_payload_read(hf_slice(text, sizeof text - 1), &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_payload_is_json_and_reads_back),
        cmocka_unit_test(test_changed_byte_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
