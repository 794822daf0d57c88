#include "session_fixture.h"

#include "client/session_output.h"

static void put(struct client *client, const char *text)
{
    struct hf_session_output *output = hf_hub_output(client->fixture->worker.hub);

    hf_buffer_append_slice(hf_session_output_begin(output, client->session), hf_slice_of(text));
    hf_session_output_commit(output);
}

static void nothing_is_sent_before_a_flush(void **state)
{
    struct client client;

    client_connect(&client, *state);
    put(&client, "a");
    put(&client, "b");
    assert_string_equal(client_sent(&client), "");
    expect_sent(&client, "[a\nb]");
    expect_sent(&client, ""); /* once */
    client_close(&client);
}

static void another_session_sends_what_was_gathered(void **state)
{
    struct client a;
    struct client b;

    client_connect(&a, *state);
    client_connect(&b, *state);
    put(&a, "1");
    put(&a, "2");
    put(&b, "3");
    assert_string_equal(client_sent(&a), "[1\n2]");
    assert_string_equal(client_sent(&b), "");
    put(&a, "4");
    assert_string_equal(client_sent(&b), "[3]");
    expect_sent(&a, "[1\n2][4]");
    client_close(&a);
    client_close(&b);
}

static void sixteenth_message_and_long_frames_are_sent_at_once(void **state)
{
    struct client client;
    char *large = calloc(1, 64 * 1024 + 1);

    assert_non_null(large);
    client_connect(&client, *state);
    for (int i = 0; i < 15; i++) {
        put(&client, "x");
    }
    assert_string_equal(client_sent(&client), "");
    put(&client, "y");
    assert_string_equal(client_sent(&client), "[x\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\ny]");
    memset(large, 'z', 64 * 1024);
    put(&client, large);
    assert_int_equal(client.connection.frames, 2);
    client_close(&client);
    free(large);
}

static void message_without_memory_ends_the_connection(void **state)
{
    struct hf_session_output *output = hf_hub_output(((struct fixture *)*state)->worker.hub);
    struct client client;
    struct client other;

    client_connect(&client, *state);
    client_connect(&other, *state);
    put(&client, "a");
    hf_session_output_begin(output, client.session)->failed = true;
    hf_session_output_commit(output);
    expect_closed(&client, 3004, "internal server error");
    put(&other, "b"); /* the failure is not inherited */
    expect_sent(&other, "[b]");
    client_close(&client);
    client_close(&other);
}

static void closed_session_is_forgotten(void **state)
{
    struct client client;

    client_connect(&client, *state);
    put(&client, "a");
    client_close(&client);
    hf_hub_flush(((struct fixture *)*state)->worker.hub);
}

static void messages_before_a_disconnect_are_sent(void **state)
{
    struct client client;

    client_connect(&client, *state);
    put(&client, "a");
    hf_session_disconnect(client.session, HF_DISCONNECT_FORCE_RECONNECT);
    assert_string_equal(client_sent(&client), "[a]");
    expect_closed(&client, 3011, "force reconnect");
    client_close(&client);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(nothing_is_sent_before_a_flush),
        WITH_FIXTURE(another_session_sends_what_was_gathered),
        WITH_FIXTURE(sixteenth_message_and_long_frames_are_sent_at_once),
        WITH_FIXTURE(message_without_memory_ends_the_connection),
        WITH_FIXTURE(closed_session_is_forgotten),
        WITH_FIXTURE(messages_before_a_disconnect_are_sent),
    };

    return cmocka_run_group_tests_name("session_output", tests, NULL, NULL);
}
