#include "reply.h"

#include "codes.h"
#include "proto_test.h"

static void test_error(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    hf_reply_error(&hf_encoder_json, &buffer, 3, HF_ERROR_PERMISSION_DENIED);
    assert_buffer_equal(&buffer,
                        "{\"id\":3,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    hf_buffer_reset(&buffer);
    hf_reply_error(&hf_encoder_json, &buffer, 3, HF_ERROR_INTERNAL);
    assert_buffer_equal(&buffer, "{\"id\":3,\"error\":{\"code\":100,\"message\":\"internal server "
                                 "error\",\"temporary\":true}}");
    hf_buffer_fini(&buffer);
}

static void test_separate(void **state)
{
    (void)state;
    struct hf_buffer frame;
    hf_buffer_init(&frame, 0);
    for (int i = 0; i < 3; i++) {
        hf_reply_separate(&hf_encoder_json, &frame);
        hf_encoder_json.ping(&frame);
    }
    assert_buffer_equal(&frame, "{}\n{}\n{}");
    hf_buffer_fini(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("reply: error by code -> canonical message and flag", test_error),
        TEST("reply: several messages in a frame -> separated, none at the end", test_separate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
