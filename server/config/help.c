#include <stdio.h>
#include <stdlib.h>

#include "config/loader.h"
#include "config/value.h"

static const char *type_name(const struct hf_option *option)
{
    switch (option->type) {
    case HF_OPTION_BOOL:
        return "[=BOOL]";
    case HF_OPTION_INT:
        return " NUMBER";
    case HF_OPTION_BYTES:
        return " BYTES";
    case HF_OPTION_DURATION:
        return " DURATION";
    case HF_OPTION_STRING:
        return " STRING";
    case HF_OPTION_LIST:
        return " \"STRING STRING...\"";
    case HF_OPTION_ENUM:
        return " NAME";
    }
    return "";
}

static void print_option(FILE *out, const char *prefix, const struct hf_option *option)
{
    char range[256];
    hf__value_describe_range(option, range, sizeof(range));
    fprintf(out, "  %s%s%s\n      %s\n      ", prefix, option->path, type_name(option),
            option->help);
    if (option->type == HF_OPTION_INT || option->type == HF_OPTION_BYTES ||
        option->type == HF_OPTION_DURATION || option->type == HF_OPTION_ENUM) {
        fprintf(out, "valid: %s; ", range);
    }
    fprintf(out, "default: %s\n", option->fallback[0] == '\0' ? "\"\"" : option->fallback);
}

static const char introduction[] =
    "Usage: holdfast [flags]\n"
    "       holdfast COMMAND ...   (holdfast help lists the commands)\n"
    "\n"
    "Real-time message broker: Centrifuge client protocol, Centrifugo server API and\n"
    "configuration, history and recovery on Redis.\n"
    "\n"
    "  -c, --config FILE  JSON configuration file (default config.json, if it exists)\n"
    "  -p PORT            short for --http_server.port\n"
    "  -a ADDRESS         short for --http_server.address\n"
    "  -h, --help         print this text\n"
    "      --version      print the version\n"
    "\n"
    "Every option below can be given, later ones winning,\n"
    "  in the file         {\"http_server\": {\"port\": 8000}}; keys in any case\n"
    "  in the environment  HOLDFAST_HTTP_SERVER_PORT=8000 (CENTRIFUGO_HTTP_SERVER_PORT is read\n"
    "                      too, and loses); an empty value is the same as none\n"
    "  as a flag           --http_server.port 8000 or --http_server.port=8000\n"
    "Durations are written 300ms, 10s, 1h30m; lists in the environment and in flags are\n"
    "separated by spaces. A value that is given is used as it is: unlike with Centrifugo, 0\n"
    "and \"\" are not replaced by the default. Flat keys of Centrifugo 3 to 5 in the file are\n"
    "read with a warning. Unknown keys, and known ones that ask for what is not offered in\n"
    "this version, stop the start.\n"
    "\n"
    "Options:\n";

static const char channel_introduction[] =
    "\n"
    "Options of channels: --channel.without_namespace.X for channels without a namespace, and\n"
    "in the file channel.namespaces = [{\"name\": \"chat\", X...}], in the environment the same\n"
    "list in JSON as HOLDFAST_CHANNEL_NAMESPACES, or there names separated by spaces and then\n"
    "HOLDFAST_CHANNEL_NAMESPACES_CHAT_X:\n";

char *hf__help_text(void)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    fputs(introduction, out);
    for (size_t i = 0; i < hf__option_count; i++) {
        print_option(out, "--", &hf__options[i]);
    }
    fputs(channel_introduction, out);
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        print_option(out, "", &hf__channel_options[i]);
    }
    bool is_complete = ferror(out) == 0;
    if (fclose(out) != 0 || !is_complete) {
        free(text);
        return NULL;
    }
    return text;
}
