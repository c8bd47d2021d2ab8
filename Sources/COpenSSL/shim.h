// OpenSSL 3, with the macros that Swift cannot see as functions. No decisions in C.
#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline int shim_SSL_CTX_set_versions(SSL_CTX *context, int minimum, int maximum) {
    return (int)SSL_CTX_set_min_proto_version(context, minimum)
        && (int)SSL_CTX_set_max_proto_version(context, maximum);
}
// Retried writes may come from another address, a write may end after any record, and idle
// connections keep no record buffers.
static inline void shim_SSL_CTX_set_stream_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                  | SSL_MODE_RELEASE_BUFFERS);
    // A broker puts every PUBACK into a record of its own: one recv takes what is there, instead of two
    // for every record.
    SSL_CTX_set_read_ahead(context, 1);
}
static inline void shim_SSL_CTX_forbid_renegotiation(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_clear_options(context, SSL_OP_LEGACY_SERVER_CONNECT
                                       | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
}
static inline void shim_SSL_allow_renegotiation(SSL *ssl) { SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION); }
static inline void shim_SSL_CTX_no_sessions(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
static inline int shim_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
static inline int shim_SSL_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline const unsigned char *shim_BIO_contents(BIO *bio, size_t *count) {
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);
    *count = bytes != NULL && length > 0 ? (size_t)length : 0;
    return (const unsigned char *)bytes;
}
static inline void shim_OPENSSL_free(void *memory) { OPENSSL_free(memory); }
static inline EVP_PKEY *shim_generate_p256(void) { return EVP_EC_gen("P-256"); }
static inline EVP_PKEY *shim_generate_rsa(unsigned int bits) { return EVP_RSA_gen(bits); }

// The end of the CA certificate that is valid longest; NULL if the context trusts none. It lives as long as the context.
static inline const ASN1_TIME *shim_SSL_CTX_latest_end(SSL_CTX *context) {
    const ASN1_TIME *latest = NULL;
    STACK_OF(X509) *all = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(context));
    for (int index = 0; index < sk_X509_num(all); index++) {
        const ASN1_TIME *end = X509_get0_notAfter(sk_X509_value(all, index));
        if (latest == NULL || ASN1_TIME_compare(end, latest) > 0) latest = end;
    }
    sk_X509_pop_free(all, X509_free);
    return latest;
}

static inline int shim_GENERAL_NAMES_count(GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
// The bytes of a dNSName or iPAddress entry (type GEN_DNS or GEN_IPADD); NULL for any other type.
static inline const unsigned char *shim_GENERAL_NAMES_entry(GENERAL_NAMES *names, int index, int *type,
                                                            int *count) {
    GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    ASN1_STRING *text = NULL;
    *type = name->type;
    if (name->type == GEN_DNS) text = name->d.dNSName;
    if (name->type == GEN_IPADD) text = name->d.iPAddress;
    if (text == NULL) return NULL;
    *count = ASN1_STRING_length(text);
    return ASN1_STRING_get0_data(text);
}
