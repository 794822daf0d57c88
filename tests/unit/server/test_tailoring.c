#include "session_fixture.h"

#include "../../lib/delta_apply.h"
#include "client/publication_frame.h"
#include "client/tailoring.h"
#include "json.h"

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

static const struct hf_stream_options history = {.history_size = 10, .history_ttl_s = 60};

enum kind { PLAIN, DELTA, FILTER, KINDS };

/* A subscription without a protocol behind it, and the client's side of it. */
struct member {
    struct hf_session session;
    struct hf_subscription subscription;
    struct hf_connection connection;
    enum kind kind;
    bool is_in;
    bool is_live;
    char *last; /* what the client got last */
    unsigned got;
    unsigned patches;
};

static struct hf_tailoring *new_tailoring(struct fixture *fixture, enum kind kind)
{
    const struct hf_session session = {.worker = &fixture->worker, .transport = &fake_transport};
    char *types[] = {(char *)(uintptr_t) "fossil"};
    const struct hf_channel_options options = {.allowed_delta_types = {types, 1},
                                               .allow_tags_filter = true};
    struct hf_filter_node tf = {
        .key = HF_SLICE("k"), .cmp = HF_SLICE("eq"), .val = HF_SLICE("yes")};
    const struct hf_subscribe_request request = {.delta = kind == DELTA ? HF_SLICE("fossil")
                                                                        : HF_SLICE(""),
                                                 .tf = kind == FILTER ? &tf : NULL};
    struct hf_tailoring *tailoring;

    assert_int_equal(hf_tailoring_new(&session, &options, &request, &tailoring), 0);
    assert_int_equal(tailoring == NULL, kind == PLAIN);
    return tailoring;
}

static void member_add(struct member *member, struct fixture *fixture, enum kind kind)
{
    struct hf_tailoring *tailoring = new_tailoring(fixture, kind);

    memset(member, 0, sizeof(*member));
    member->kind = kind;
    member->is_in = true;
    member->session.worker = &fixture->worker;
    member->session.transport = &fake_transport;
    member->session.connection = &member->connection;
    member->subscription.session = &member->session;
    assert_int_equal(
        hf_hub_add(fixture->worker.hub, HF_SLICE("x"), &history, &member->subscription), HF_OK);
    if (tailoring != NULL) {
        hf_hub_tailor(&member->subscription, tailoring);
    }
}

static void member_remove(struct member *member)
{
    hf_hub_remove(&member->subscription);
    free(member->connection.sent);
    free(member->last);
    memset(member, 0, sizeof(*member));
}

static void keep_last(struct member *member, const char *text, size_t len)
{
    free(member->last);
    member->last = calloc(1, len + 1);
    assert_non_null(member->last);
    memcpy(member->last, text, len);
}

/* The payload and the delta flag of the one push that was sent. */
static void read_push(const char *sent, struct hf_arena *arena, struct hf_slice *data,
                      bool *is_patch)
{
    struct hf_json json;
    struct hf_json_key key;

    *is_patch = false;
    hf_json_init(&json, hf_slice(sent + 1, strlen(sent) - 2), HF_JSON_MAX_DEPTH);
    for (int depth = 0; depth < 2; depth++) { /* push, pub */
        assert_true(hf_json_object_begin(&json));
        while (hf_json_object_next(&json, &key) &&
               !hf_json_key_is(&key, depth == 0 ? HF_SLICE("push") : HF_SLICE("pub"))) {
            assert_true(hf_json_skip(&json));
        }
    }
    assert_true(hf_json_object_begin(&json));
    while (hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("data"))) {
            assert_true(hf_json_peek(&json) == HF_JSON_STRING
                            ? hf_json_get_string(&json, arena, data)
                            : hf_json_raw(&json, data));
        } else if (hf_json_key_is(&key, HF_SLICE("delta"))) {
            assert_true(hf_json_get_bool(&json, is_patch));
        } else {
            assert_true(hf_json_skip(&json));
        }
    }
}

/* Reads what came as a client does; it must be `text`, if anything was to come. */
static void member_receive(struct member *member, const char *text, bool comes)
{
    struct hf_arena arena;
    struct hf_slice data = {0};
    bool is_patch;

    assert_int_equal(member->connection.frames, comes);
    if (!comes) {
        return;
    }
    hf_arena_init(&arena, 0);
    read_push(member->connection.sent, &arena, &data, &is_patch);
    if (is_patch) {
        char *applied;
        size_t len = 0;

        assert_int_equal(member->kind, DELTA);
        assert_non_null(member->last);
        applied = delta_apply(hf_slice_of(member->last), data, &len);
        assert_non_null(applied);
        keep_last(member, applied, len);
        free(applied);
        member->patches++;
    } else {
        keep_last(member, data.data, data.len);
    }
    assert_string_equal(member->last, text);
    hf_arena_fini(&arena);
    free(member->connection.sent);
    member->connection = (struct hf_connection){0};
    member->got++;
}

static void payload(char *text, size_t size, unsigned n)
{
    (void)snprintf(text, size,
                   "{\"name\":\"a game with a long name\",\"players\":[\"ann\",\"bob\",\"cem\"],"
                   "\"score\":%u,\"note\":\"nothing else changes much in here\",\"round\":%u}",
                   n * 7919 % 1000, n / 10);
}

static struct hf_publication *make(uint64_t offset, const char *text, bool is_delta, bool is_tagged)
{
    const struct hf_publication_fields fields = {
        .data = {text, strlen(text)},
        .tags = is_tagged ? (struct hf_bytes){"{\"k\":\"yes\"}", 11} : (struct hf_bytes){NULL, 0},
        .delta = is_delta};
    struct hf_publication *publication = hf_publication_new(
        (struct hf_position){offset == 0 ? HF_EPOCH_NONE : EPOCH, offset}, &fields);

    assert_non_null(publication);
    return publication;
}

/* The client has recovered up to `publication`, which it got in full. */
static void member_recover(struct member *member, struct hf_publication *publication)
{
    struct hf_page *page = hf_page_new(&publication, 1);
    struct hf_slice list;

    assert_int_equal(hf_tailored_list(&member->subscription, page, &list), HF_PUBLICATION_FRAME_OK);
    assert_true(list.len > 0);
    keep_last(member, publication->fields.data.data, publication->fields.data.len);
    hf_page_unref(page);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void check_order(const struct hf_hub_entry *entry)
{
    assert_true(entry->plain <= entry->live && entry->live <= entry->count);
    for (uint32_t i = 0; i < entry->count; i++) {
        const struct hf_subscription *subscription = entry->subscribers[i].subscription;

        assert_int_equal(subscription->hub_index, i);
        if (i < entry->live) {
            assert_int_equal(subscription->is_tailored, i >= entry->plain);
        }
    }
}

/* One publication to all, with or without an offset, flagged or not. */
static void publish(struct member *members, unsigned count, struct hf_hub_entry *entry,
                    struct hf_publication *publication, bool is_tagged)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "%.*s", (int)publication->fields.data.len,
                   publication->fields.data.data);
    hf_hub_on_publication(entry, publication);
    for (unsigned i = 0; i < count; i++) {
        if (members[i].is_in) {
            member_receive(&members[i], text,
                           members[i].is_live && (members[i].kind != FILTER || is_tagged));
        }
    }
}

/* Clients of all kinds come, recover, go live and leave at random while publications of all kinds
 * go out: each decodes exactly what was published. */
static void every_client_decodes_what_was_published(void **state)
{
    enum { MEMBERS = 40, STEPS = 6000 };
    struct fixture *fixture = *state;
    struct member *members = calloc(MEMBERS, sizeof(*members));
    struct hf_publication *newest = NULL;
    uint64_t offset = 1;
    uint32_t seed = 20261121;
    unsigned patches = 0;

    assert_non_null(members);
    member_add(&members[0], fixture, PLAIN); /* stays: the channel is there */
    for (unsigned step = 0; step < STEPS; step++) {
        struct member *member = &members[1 + next_random(&seed) % (MEMBERS - 1)];
        struct hf_hub_entry *entry = members[0].subscription.entry;
        unsigned dice = next_random(&seed) % 16;

        if (dice < 8) {
            bool has_offset = dice != 0;
            bool is_tagged = step % 3 == 0;
            char text[512];

            payload(text, sizeof(text), step);
            struct hf_publication *publication =
                make(has_offset ? ++offset : 0, text, dice != 1, is_tagged);
            publish(members, MEMBERS, entry, publication, is_tagged);
            if (has_offset) {
                hf_publication_unref(newest);
                newest = publication;
            } else {
                hf_publication_unref(publication);
            }
        } else if (!member->is_in) {
            member_add(member, fixture, (enum kind)(dice % KINDS));
        } else if (!member->is_live) {
            if (dice % 2 == 0 && newest != NULL && member->kind == DELTA) {
                member_recover(member, newest);
            }
            hf_hub_set_live(&member->subscription);
            member->is_live = true;
        } else if (dice > 13) {
            patches += member->patches;
            member_remove(member);
        }
        check_order(entry);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (members[i].is_in) {
            patches += members[i].patches;
            member_remove(&members[i]);
        }
    }
    assert_true(patches > 5000);
    hf_publication_unref(newest);
    free(members);
}

static void one_delta_is_built_for_5000(void **state)
{
    enum { MEMBERS = 5000 };
    struct fixture *fixture = *state;
    struct member *members = calloc(MEMBERS, sizeof(*members));
    struct hf_publication *publications[3];
    char text[512];

    assert_non_null(members);
    for (int i = 0; i < MEMBERS; i++) {
        member_add(&members[i], fixture, DELTA);
        hf_hub_set_live(&members[i].subscription);
        members[i].is_live = true;
    }
    for (unsigned n = 0; n < 3; n++) {
        payload(text, sizeof(text), n);
        publications[n] = make(n + 2, text, true, false);
        publish(members, MEMBERS, members[0].subscription.entry, publications[n], false);
    }
    assert_int_equal(fixture->worker.counters.frames_built, 3);
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(members[i].patches, 2);
        member_remove(&members[i]);
    }
    for (unsigned n = 0; n < 3; n++) {
        hf_publication_unref(publications[n]);
    }
    free(members);
}

/* A gap or another epoch can only be a fault of ours; a delta across it would not be noticed. */
static void no_delta_across_a_gap(void **state)
{
    struct fixture *fixture = *state;
    struct member member;
    char text[512];
    uint64_t offset = 1;

    member_add(&member, fixture, DELTA);
    hf_hub_set_live(&member.subscription);
    member.is_live = true;
    for (unsigned n = 0; n < 4; n++) {
        offset += n < 2 ? 1 : 2;
        payload(text, sizeof(text), n);
        struct hf_publication *publication = make(offset, text, true, false);
        publish(&member, 1, member.subscription.entry, publication, false);
        hf_publication_unref(publication);
    }
    assert_int_equal(member.patches, 1);
    member_remove(&member);
}

static void pages_of_deltas_begin_in_full(void **state)
{
    struct fixture *fixture = *state;
    struct hf_publication *items[20];
    struct hf_page *page;
    struct hf_slice list;
    struct hf_slice again;
    const struct hf_publication_form form = {.is_delta = true};
    struct hf_frame *frame;
    char text[512];

    for (unsigned i = 0; i < 20; i++) {
        payload(text, sizeof(text), i);
        items[i] = make(i + 1, text, false, false); /* not flagged: only live ones are asked */
    }
    page = hf_page_new(items, 20);
    assert_int_equal(hf_page_delta_list(&fixture->worker, &fake_transport, page, &list),
                     HF_PUBLICATION_FRAME_OK);
    assert_true(memmem(list.data, list.len, "\"delta\":true", 12) > (void *)(list.data + 150));
    assert_true(list.len < 20 * 100);
    assert_int_equal(hf_page_delta_list(&fixture->worker, &fake_transport, page, &again),
                     HF_PUBLICATION_FRAME_OK);
    assert_ptr_equal(list.data, again.data);
    assert_int_equal(
        hf_page_form_frame(&fixture->worker, &fake_transport, HF_SLICE("x"), &form, page, &frame),
        HF_PUBLICATION_FRAME_OK);
    assert_true(frame->len < 20 * 150);
    hf_page_unref(page);
    for (unsigned i = 0; i < 20; i++) {
        hf_publication_unref(items[i]);
    }
    assert_int_equal(frame->data[0], '['); /* it keeps the page */
    hf_frame_unref(frame);
}

static void filtered_page_may_be_empty(void **state)
{
    struct fixture *fixture = *state;
    struct hf_publication *items[3];
    struct hf_page *page;
    struct hf_page *part;
    struct hf_slice list;
    struct member member;

    for (unsigned i = 0; i < 3; i++) {
        items[i] = make(i + 1, i == 1 ? "\"two\"" : "1", false, i == 1);
    }
    member_add(&member, fixture, FILTER);
    page = hf_page_new(items, 3);
    assert_int_equal(hf_tailored_list(&member.subscription, page, &list), HF_PUBLICATION_FRAME_OK);
    assert_true(
        hf_slice_equal(list, HF_SLICE("{\"data\":\"two\",\"offset\":2,\"tags\":{\"k\":\"yes\"}}")));
    hf_page_unref(page);
    page = hf_page_new(items, 1);
    assert_int_equal(hf_tailored_list(&member.subscription, page, &list), HF_PUBLICATION_FRAME_OK);
    assert_int_equal(list.len, 0);
    assert_true(hf_tailored_part(&member.subscription, page, &part));
    assert_null(part);
    hf_page_unref(page);
    member_remove(&member);
    for (unsigned i = 0; i < 3; i++) {
        hf_publication_unref(items[i]);
    }
}

static void what_is_not_allowed_is_not_given(void **state)
{
    struct fixture *fixture = *state;
    char *types[] = {(char *)(uintptr_t) "fossil"};
    const struct hf_channel_options nothing = {.history_size = 1};
    const struct hf_channel_options all = {.allowed_delta_types = {types, 1},
                                           .allow_tags_filter = true};
    struct hf_filter_node tf = {.key = HF_SLICE("k"), .cmp = HF_SLICE("ex")};
    struct hf_filter_node bad = {.op = HF_SLICE("maybe")};
    struct hf_subscribe_request request = {.delta = HF_SLICE("fossil")};
    const struct hf_session session = {.worker = &fixture->worker, .transport = &fake_transport};
    struct hf_tailoring *tailoring;

    assert_int_equal(hf_tailoring_new(&session, &nothing, &request, &tailoring), 0);
    assert_null(tailoring);
    request.tf = &tf;
    assert_int_equal(hf_tailoring_new(&session, &nothing, &request, &tailoring),
                     HF_ERROR_BAD_REQUEST);
    assert_null(tailoring);
    assert_int_equal(hf_tailoring_new(&session, &all, &request, &tailoring), 0);
    assert_false(tailoring->gets_deltas); /* the filter would make holes in their chain */
    hf_tailoring_free(tailoring);
    request.tf = &bad;
    assert_int_equal(hf_tailoring_new(&session, &all, &request, &tailoring), HF_ERROR_BAD_REQUEST);
    assert_null(tailoring);
}

static void channel_is_given_a_number_where_that_is_allowed(void **state)
{
    struct fixture *fixture = *state;
    const struct hf_session session = {.worker = &fixture->worker, .transport = &fake_transport};
    const struct hf_transport protobuf = {.encoding = HF_ENCODING_PROTOBUF};
    const struct hf_session other = {.worker = &fixture->worker, .transport = &protobuf};
    struct hf_channel_options options = {.allow_channel_compaction = true};
    struct hf_subscribe_request request = {.channel = HF_SLICE("x"),
                                           .flag = HF_SUBSCRIBE_FLAG_COMPACTION};
    struct hf_tailoring *tailoring;

    assert_int_equal(hf_tailoring_new(&session, &options, &request, &tailoring), 0);
    assert_non_null(tailoring);
    assert_int_equal(tailoring->number, hf_channel_number(HF_SLICE("x")));
    hf_tailoring_free(tailoring);
    assert_int_equal(hf_tailoring_new(&other, &options, &request, &tailoring), 0);
    assert_null(tailoring);
    request.flag = 0;
    assert_int_equal(hf_tailoring_new(&session, &options, &request, &tailoring), 0);
    assert_null(tailoring);
    request.flag = HF_SUBSCRIBE_FLAG_COMPACTION;
    options.allow_channel_compaction = false;
    assert_int_equal(hf_tailoring_new(&session, &options, &request, &tailoring), 0);
    assert_null(tailoring);
    assert_true(hf_channel_number(HF_SLICE("")) != 0);
}

/* It could not be told to a JSON client, but it is not told to him. */
static void publication_that_is_filtered_out_ends_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct member filtered;
    struct hf_publication *untagged = make(2, "\x01", true, false);

    member_add(&filtered, fixture, FILTER);
    hf_hub_set_live(&filtered.subscription);
    filtered.is_live = true;
    hf_hub_on_publication(filtered.subscription.entry, untagged); /* not for him */
    assert_int_equal(filtered.connection.frames, 0);
    assert_int_equal(filtered.connection.close_code, 0);
    hf_publication_unref(untagged);
    member_remove(&filtered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(every_client_decodes_what_was_published),
        WITH_FIXTURE(one_delta_is_built_for_5000),
        WITH_FIXTURE(no_delta_across_a_gap),
        WITH_FIXTURE(pages_of_deltas_begin_in_full),
        WITH_FIXTURE(filtered_page_may_be_empty),
        WITH_FIXTURE(what_is_not_allowed_is_not_given),
        WITH_FIXTURE(channel_is_given_a_number_where_that_is_allowed),
        WITH_FIXTURE(publication_that_is_filtered_out_ends_nobody),
    };

    return cmocka_run_group_tests_name("tailoring", tests, NULL, NULL);
}
