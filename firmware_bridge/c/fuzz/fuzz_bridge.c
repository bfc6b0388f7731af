/* libFuzzer target: any bytes on the wire, cut anywhere, against one ee_bridge.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc fuzz/fuzz_bridge.c \
 *   (every C file of src/) -o fuzz_bridge
 *
 * The first byte of each piece says how it is read: as it is, or as the payload of a good frame, so
 * that what lies behind the CRC is reached, too. */
#include "edge_emo_bridge.h"

typedef struct {
    const uint8_t *data;
    size_t left;
    uint8_t pending[EE_FRAME_MAX];
    size_t at, length;
    uint16_t sequence;
} wire;

static void next_piece(wire *w) {
    uint8_t how = *w->data++;
    size_t length = how & 0x7FU;
    size_t i;
    w->left--;
    length = length < w->left ? length : w->left;
    for (i = 0; i < length; i++) {
        w->pending[EE_PAYLOAD_AT + i] = w->data[i];
    }
    w->data += length;
    w->left -= length;
    if (how & 0x80U) {
        w->at = 0;
        w->length = ee_frame_close(w->pending, w->sequence++, length);
    } else {
        w->at = EE_PAYLOAD_AT;
        w->length = EE_PAYLOAD_AT + length;
    }
}

static size_t read_wire(void *context, uint8_t *data, size_t capacity) {
    wire *w = context;
    size_t count = 0;
    if (w->at >= w->length && w->left > 0) {
        next_piece(w);
    }
    while (count < capacity && w->at < w->length) {
        data[count++] = w->pending[w->at++];
    }
    return count;
}

static size_t write_wire(void *context, const uint8_t *data, size_t length) {
    ee_receiver receiver = {{0}, 0, false};
    ee_received got;
    size_t i;
    (void)context;
    for (i = 0; i < length; i++) { /* what is sent is a good frame */
        if (ee_receive(&receiver, data[i], &got) == EE_BAD) {
            __builtin_trap();
        }
    }
    return length;
}

static void on_state(void *context, const edge_emo_State *state) {
    size_t i;
    (void)context;
    for (i = 0; state->expressed.label[i] != '\0'; i++) {
        if (i >= sizeof state->expressed.label) {
            __builtin_trap();
        }
    }
}

static edge_emo_ErrorCode on_config(void *context, const edge_emo_Config *config) {
    (void)context;
    return config->brightness > 1000U ? edge_emo_ErrorCode_BAD_VALUE : edge_emo_ErrorCode_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    static const edge_emo_SensorStream stream = {.rate_mhz = 1000, .channels_count = 1};
    static const ee_identity identity = {"fuzz", "1", "", &stream, 1};
    static const uint8_t hello[4] = {0x0A, 0x02, 0x08, 0x05};
    wire w = {NULL, 0, {0}, 0, 0, 0};
    ee_transport transport = {read_wire, write_wire, NULL};
    ee_handlers handlers = {on_state, on_config, NULL, NULL};
    ee_bridge bridge;
    uint32_t now_us = 0;
    size_t i;
    w.data = data;
    w.left = length;
    transport.context = &w;
    ee_bridge_init(&bridge, &transport, &handlers, &identity);
    for (i = 0; i < sizeof hello; i++) {
        w.pending[EE_PAYLOAD_AT + i] = hello[i];
    }
    w.length = ee_frame_close(w.pending, w.sequence++, sizeof hello);
    do {
        ee_bridge_poll(&bridge, now_us += 1000U);
    } while (w.left > 0 || w.at < w.length);
    (void)ee_bridge_log(&bridge, edge_emo_LogLevel_INFO, "fuzz");
    return 0;
}
