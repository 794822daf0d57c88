#include "config/loader.h"

static void check_tls(struct hf_loader *loader)
{
    const struct hf_config_tls *tls = &loader->config->http_server.tls;
    if (!tls->enabled) {
        return;
    }
    if (tls->cert_pem[0] == '\0') {
        hf__loader_error(loader, "http_server.tls.cert_pem", "is needed for TLS");
    }
    if (tls->key_pem[0] == '\0') {
        hf__loader_error(loader, "http_server.tls.key_pem", "is needed for TLS");
    }
}

void hf__validate_listeners(struct hf_loader *loader)
{
    const struct hf_config_http_server *server = &loader->config->http_server;
    check_tls(loader);
    if (server->internal_port != 0 && server->internal_port == server->port) {
        hf__loader_error(loader, "http_server.internal_port",
                         "must be another one than http_server.port; 0 = no internal listener");
    }
    if (server->internal_port == 0 && server->internal_address[0] != '\0') {
        hf__loader_warning(loader, "http_server.internal_address",
                           "has no effect without http_server.internal_port");
    }
    if (server->tls_external && (server->internal_port == 0 || !server->tls.enabled)) {
        hf__loader_warning(loader, "http_server.tls_external",
                           "has no effect without http_server.internal_port and "
                           "http_server.tls.enabled");
    }
}
