#include "api/api_internal.h"
#include "api/registry.h"

struct writing {
    struct hf_buffer *body;
    bool has_node;
};

static void write_text(struct hf_buffer *body, struct hf_slice name, struct hf_slice value)
{
    hf_buffer_append_slice(body, name);
    hf_json_append_string(body, value);
}

static void write_number(struct hf_buffer *body, struct hf_slice name, uint64_t value)
{
    hf_buffer_append_slice(body, name);
    hf_buffer_append_u64(body, value);
}

static void write_node(void *context, const struct hf_node_info *info)
{
    struct writing *writing = context;
    struct hf_buffer *body = writing->body;

    if (writing->has_node) {
        hf_buffer_append_char(body, ',');
    }
    writing->has_node = true;
    write_text(body, HF_SLICE("{\"uid\":"), info->uid);
    write_text(body, HF_SLICE(",\"name\":"), info->name);
    write_text(body, HF_SLICE(",\"version\":"), info->version);
    write_number(body, HF_SLICE(",\"num_clients\":"), info->num_clients);
    write_number(body, HF_SLICE(",\"num_users\":"), info->num_users);
    write_number(body, HF_SLICE(",\"num_channels\":"), info->num_channels);
    if (info->uptime_s != 0) {
        write_number(body, HF_SLICE(",\"uptime\":"), info->uptime_s);
    }
    write_number(body, HF_SLICE(",\"num_subs\":"), info->num_subs);
    if (info->metrics.len > 0) {
        HF_BUFFER_APPEND_LITERAL(body, ",\"metrics\":");
        hf_buffer_append_slice(body, info->metrics);
    }
    hf_buffer_append_char(body, '}');
}

void hf_api_info(struct hf_api_call *call, const union hf_api_request *request)
{
    struct writing writing = {.body = hf_api_result_begin(call)};

    (void)request;
    HF_BUFFER_APPEND_LITERAL(writing.body, "{\"nodes\":[");
    hf_registry_each(call->worker->registry, write_node, &writing);
    HF_BUFFER_APPEND_LITERAL(writing.body, "]}");
    hf_api_result_end(call);
}
