#include "proto_test.h"

#include "reply.h"

static void expect(struct hf_buffer *buffer, const char *text)
{
    assert_false(hf_buffer_failed(buffer));
    assert_int_equal(buffer->len, strlen(text));
    assert_memory_equal(buffer->data, text, buffer->len);
    hf_buffer_reset(buffer);
}

static void pushes_have_no_object_around_them(void **state)
{
    (void)state;
    const struct hf_encoder *bare = &hf_encoder_json_bare;
    const struct hf_wire_publication publication = {.data = HF_SLICE("{\"n\":1}"), .offset = 4};
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    bare->push_publication(&buffer, hf_push_channel(HF_SLICE("a")), &publication);
    expect(&buffer, "{\"channel\":\"a\",\"pub\":{\"data\":{\"n\":1},\"offset\":4}}");
    bare->push_disconnect(&buffer, 3001, HF_SLICE("shutdown"));
    expect(&buffer, "{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}");
    bare->push_unsubscribe(&buffer, HF_SLICE("a"), 2500, HF_SLICE("r"));
    expect(&buffer, "{\"channel\":\"a\",\"unsubscribe\":{\"code\":2500,\"reason\":\"r\"}}");
    bare->push_message(&buffer, HF_SLICE("1"));
    expect(&buffer, "{\"message\":{\"data\":1}}");
    bare->push_refresh(&buffer, true, 5);
    expect(&buffer, "{\"refresh\":{\"expires\":true,\"ttl\":5}}");
    bare->ping(&buffer);
    expect(&buffer, "{}");
    hf_buffer_fini(&buffer);
}

static void connect_is_a_push_without_an_id(void **state)
{
    (void)state;
    const struct hf_connect_result result = {.client = HF_SLICE("c"), .version = HF_SLICE("v")};
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    hf_encoder_json_bare.connect(&buffer, 7, &result);
    expect(&buffer, "{\"connect\":{\"client\":\"c\",\"version\":\"v\"}}");
    hf_buffer_fini(&buffer);
}

static void a_push_behind_another_leaves_that_as_it_is(void **state)
{
    (void)state;
    const struct hf_encoder *bare = &hf_encoder_json_bare;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    bare->push_message(&buffer, HF_SLICE("1"));
    hf_reply_separate(bare, &buffer);
    bare->push_message(&buffer, HF_SLICE("2"));
    expect(&buffer, "{\"message\":{\"data\":1}}\n{\"message\":{\"data\":2}}");
    hf_buffer_fini(&buffer);
}

static void an_item_is_the_publication_alone(void **state)
{
    (void)state;
    const struct hf_wire_publication publication = {.data = HF_SLICE("1"), .offset = 4};
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    hf_encoder_json_item.push_publication(&buffer, hf_push_channel(HF_SLICE("a")), &publication);
    expect(&buffer, "{\"data\":1,\"offset\":4}");
    hf_buffer_fini(&buffer);
}

static void without_memory_the_buffer_says_so(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    for (size_t max = 1; max < 22; max++) {
        hf_buffer_init(&buffer, max);
        hf_encoder_json_bare.push_message(&buffer, HF_SLICE("1"));
        assert_true(hf_buffer_failed(&buffer));
        hf_buffer_fini(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_have_no_object_around_them),
        cmocka_unit_test(connect_is_a_push_without_an_id),
        cmocka_unit_test(a_push_behind_another_leaves_that_as_it_is),
        cmocka_unit_test(an_item_is_the_publication_alone),
        cmocka_unit_test(without_memory_the_buffer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
