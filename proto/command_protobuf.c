#include "client.pb-c.h"
#include "command.h"
#include "protobuf_scan.h"
#include "utf8.h"

/* Unpacked by generated code into the arena, then taken over field by field. */

struct source {
    struct hf_arena *arena;
    const char *reason; /* of the first failure; NULL while there is none */
    enum hf_command_status status;
};

static void fail(struct source *source, enum hf_command_status status, const char *reason)
{
    if (!source->reason) {
        source->status = status;
        source->reason = reason;
    }
}

/* ---- memory of the unpacker ---- */

static void *arena_alloc(void *context, size_t size)
{
    struct source *source = context;
    void *memory = hf_arena_alloc(source->arena, size != 0 ? size : 1);
    if (!memory) {
        fail(source, HF_COMMAND_NO_MEMORY, "out of memory");
    }
    return memory;
}

static void arena_free(void *context, void *memory)
{
    (void)context;
    (void)memory; /* the arena is reset as a whole */
}

/* A zeroed array; NULL when count is 0 or, with the failure noted, when there is no memory. */
static void *new_array(struct source *source, size_t count, size_t element_size)
{
    if (count == 0) {
        return NULL;
    }
    /* No overflow: the fields of a message are few (HF_PROTOBUF_MAX_FIELDS). */
    void *array = arena_alloc(source, count * element_size);
    return array ? memset(array, 0, count * element_size) : NULL;
}

/* ---- fields ---- */

static struct hf_slice raw(ProtobufCBinaryData bytes)
{
    return hf_slice((const char *)bytes.data, bytes.len);
}

static struct hf_slice text(struct source *source, ProtobufCBinaryData bytes)
{
    struct hf_slice slice = raw(bytes);
    if (!hf_utf8_is_valid(slice.data, slice.len)) {
        fail(source, HF_COMMAND_MALFORMED, "a text is not UTF-8");
    }
    return slice;
}

/* ---- requests ---- */

/* Recursion is bounded by HF_PROTOBUF_MAX_DEPTH. */
static void take_filter(struct source *source, const HfPb__FilterNode *from,
                        struct hf_filter_node *node)
{
    node->op = text(source, from->op);
    node->key = text(source, from->key);
    node->cmp = text(source, from->cmp);
    node->val = text(source, from->val);
    node->vals = new_array(source, from->n_vals, sizeof(*node->vals));
    node->vals_count = node->vals ? from->n_vals : 0;
    for (size_t i = 0; i < node->vals_count; i++) {
        node->vals[i] = text(source, from->vals[i]);
    }
    node->nodes = new_array(source, from->n_nodes, sizeof(*node->nodes));
    node->nodes_count = node->nodes ? from->n_nodes : 0;
    for (size_t i = 0; i < node->nodes_count; i++) {
        take_filter(source, from->nodes[i], &node->nodes[i]);
    }
}

static void take_subscribe(struct source *source, const HfPb__SubscribeRequest *from,
                           struct hf_subscribe_request *request)
{
    *request = (struct hf_subscribe_request){
        .channel = text(source, from->channel),
        .token = text(source, from->token),
        .epoch = text(source, from->epoch),
        .offset = from->offset,
        .data = raw(from->data),
        .delta = text(source, from->delta),
        .flag = from->flag,
        .type = from->type,
        .recover = from->recover,
        .positioned = from->positioned,
        .recoverable = from->recoverable,
        .join_leave = from->join_leave,
    };
    if (from->tf) {
        request->tf = new_array(source, 1, sizeof(*request->tf));
        if (request->tf) {
            take_filter(source, from->tf, request->tf);
        }
    }
}

static void take_connect_subs(struct source *source, const HfPb__ConnectRequest *from,
                              struct hf_connect_request *request)
{
    request->subs = new_array(source, from->n_subs, sizeof(*request->subs));
    request->subs_count = request->subs ? from->n_subs : 0;
    for (size_t i = 0; i < request->subs_count; i++) {
        request->subs[i].channel = text(source, from->subs[i]->key);
        if (from->subs[i]->value) {
            take_subscribe(source, from->subs[i]->value, &request->subs[i].request);
        }
    }
}

static void take_connect_headers(struct source *source, const HfPb__ConnectRequest *from,
                                 struct hf_connect_request *request)
{
    request->headers = new_array(source, from->n_headers, sizeof(*request->headers));
    request->headers_count = request->headers ? from->n_headers : 0;
    for (size_t i = 0; i < request->headers_count; i++) {
        request->headers[i].name = text(source, from->headers[i]->key);
        request->headers[i].value = text(source, from->headers[i]->value);
    }
}

static void take_connect(struct source *source, const HfPb__ConnectRequest *from,
                         struct hf_connect_request *request)
{
    *request = (struct hf_connect_request){
        .token = text(source, from->token),
        .data = raw(from->data),
        .name = text(source, from->name),
        .version = text(source, from->version),
        .flag = from->flag,
        .dict = text(source, from->dict),
        .profile = text(source, from->profile),
    };
    take_connect_subs(source, from, request);
    take_connect_headers(source, from, request);
}

static void take_publish(struct source *source, const HfPb__PublishRequest *from,
                         struct hf_publish_request *request)
{
    *request = (struct hf_publish_request){
        .channel = text(source, from->channel),
        .data = raw(from->data),
        .key = text(source, from->key),
        .type = from->type,
        .removed = from->removed,
    };
}

static void take_history(struct source *source, const HfPb__HistoryRequest *from,
                         struct hf_history_request *request)
{
    *request = (struct hf_history_request){
        .channel = text(source, from->channel),
        .limit = from->limit,
        .has_since = from->since != NULL,
        .reverse = from->reverse,
    };
    if (from->since) {
        request->since.offset = from->since->offset;
        request->since.epoch = text(source, from->since->epoch);
    }
}

static void take_sub_refresh(struct source *source, const HfPb__SubRefreshRequest *from,
                             struct hf_sub_refresh_request *request)
{
    *request = (struct hf_sub_refresh_request){
        .channel = text(source, from->channel),
        .token = text(source, from->token),
        .type = from->type,
    };
}

/* ---- command ---- */

/* The first of several requests, in the order of enum hf_command_kind. */
static enum hf_command_kind choose_kind(const HfPb__Command *from)
{
    const struct {
        enum hf_command_kind kind;
        bool is_set;
    } requests[] = {
        {HF_COMMAND_CONNECT, from->connect != NULL},
        {HF_COMMAND_PING, from->ping != NULL},
        {HF_COMMAND_SUBSCRIBE, from->subscribe != NULL},
        {HF_COMMAND_UNSUBSCRIBE, from->unsubscribe != NULL},
        {HF_COMMAND_PUBLISH, from->publish != NULL},
        {HF_COMMAND_PRESENCE, from->presence != NULL},
        {HF_COMMAND_PRESENCE_STATS, from->presence_stats != NULL},
        {HF_COMMAND_HISTORY, from->history != NULL},
        {HF_COMMAND_RPC, from->rpc != NULL},
        {HF_COMMAND_SEND, from->send != NULL},
        {HF_COMMAND_REFRESH, from->refresh != NULL},
        {HF_COMMAND_SUB_REFRESH, from->sub_refresh != NULL},
    };
    if (from->id == 0 && !from->send) {
        return HF_COMMAND_PONG;
    }
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (requests[i].is_set) {
            bool may_run = from->id != 0 || requests[i].kind == HF_COMMAND_SEND;
            return may_run ? requests[i].kind : HF_COMMAND_NONE;
        }
    }
    return HF_COMMAND_NONE;
}

static void take_request(struct source *source, const HfPb__Command *from,
                         enum hf_command_kind kind, union hf_request *request)
{
    switch (kind) {
    case HF_COMMAND_CONNECT:
        take_connect(source, from->connect, &request->connect);
        break;
    case HF_COMMAND_SUBSCRIBE:
        take_subscribe(source, from->subscribe, &request->subscribe);
        break;
    case HF_COMMAND_UNSUBSCRIBE:
        request->unsubscribe.channel = text(source, from->unsubscribe->channel);
        break;
    case HF_COMMAND_PUBLISH:
        take_publish(source, from->publish, &request->publish);
        break;
    case HF_COMMAND_PRESENCE:
        request->presence.channel = text(source, from->presence->channel);
        break;
    case HF_COMMAND_PRESENCE_STATS:
        request->presence_stats.channel = text(source, from->presence_stats->channel);
        break;
    case HF_COMMAND_HISTORY:
        take_history(source, from->history, &request->history);
        break;
    case HF_COMMAND_RPC:
        request->rpc.method = text(source, from->rpc->method);
        request->rpc.data = raw(from->rpc->data);
        break;
    case HF_COMMAND_SEND:
        request->send.data = raw(from->send->data);
        break;
    case HF_COMMAND_REFRESH:
        request->refresh.token = text(source, from->refresh->token);
        break;
    case HF_COMMAND_SUB_REFRESH:
        take_sub_refresh(source, from->sub_refresh, &request->sub_refresh);
        break;
    case HF_COMMAND_NONE:
    case HF_COMMAND_PING:
    case HF_COMMAND_PONG:
        break;
    }
}

enum hf_command_status hf_command_decode_protobuf(struct hf_slice message, struct hf_arena *arena,
                                                  struct hf_command *command,
                                                  struct hf_command_error *error)
{
    struct source source = {.arena = arena};
    ProtobufCAllocator allocator = {arena_alloc, arena_free, &source};
    enum hf_command_status status = hf__protobuf_scan(message, &hf_pb__command__descriptor, error);
    if (status != HF_COMMAND_OK) {
        return status;
    }
    HfPb__Command *from =
        hf_pb__command__unpack(&allocator, message.len, (const uint8_t *)message.data);
    if (from) {
        memset(command, 0, sizeof(*command));
        command->id = from->id;
        command->kind = choose_kind(from);
        take_request(&source, from, command->kind, &command->request);
    } else {
        fail(&source, HF_COMMAND_MALFORMED, "a field is of another type");
    }
    if (source.reason && error) {
        *error = (struct hf_command_error){source.reason, 0};
    }
    return source.reason ? source.status : HF_COMMAND_OK;
}

/* ---- emulation ---- */

enum hf_command_status hf__emulation_request_decode_protobuf(struct hf_slice message,
                                                             struct hf_arena *arena,
                                                             struct hf_emulation_request *request,
                                                             struct hf_command_error *error)
{
    struct source source = {.arena = arena};
    ProtobufCAllocator allocator = {arena_alloc, arena_free, &source};
    enum hf_command_status status =
        hf__protobuf_scan(message, &hf_pb__emulation_request__descriptor, error);
    if (status != HF_COMMAND_OK) {
        return status;
    }
    HfPb__EmulationRequest *from =
        hf_pb__emulation_request__unpack(&allocator, message.len, (const uint8_t *)message.data);
    if (from) {
        *request = (struct hf_emulation_request){
            .node = text(&source, from->node),
            .session = text(&source, from->session),
            .data = raw(from->data),
        };
    } else {
        fail(&source, HF_COMMAND_MALFORMED, "a field is of another type");
    }
    if (source.reason && error) {
        *error = (struct hf_command_error){source.reason, 0};
    }
    return source.reason ? source.status : HF_COMMAND_OK;
}
