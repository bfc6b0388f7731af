// A NeoPixel ring as emotion light: hue by valence (red to green), brightness by arousal; a dim
// white when nothing is known. Arduino Mega, RP2040, ESP32: any board with 4 KB of RAM.
//
// NOT RUN ON A BOARD. Compiled in CI by Debian's compilers against stand-ins of the Arduino headers.
// Needs the library Adafruit NeoPixel. Wiring: ../../WIRING.md.
#include <Adafruit_NeoPixel.h>
#include <Arduino.h>
#include <edge_emo_bridge.h>

static const uint8_t RING_PIN = 6;
static const uint16_t RING_PIXELS = 16;
static const uint32_t OLDEST_US = 500000;
static const uint32_t OLDEST_MS = 2000;      // a state that came later than this is no longer true
static const uint16_t RED_TO_GREEN = 21845;  // a third of the 65536 hues

static Adafruit_NeoPixel ring(RING_PIXELS, RING_PIN, NEO_GRB + NEO_KHZ800);
static ee_bridge bridge;
static uint32_t state_us;
static uint16_t full = 1000;

static size_t read_port(void *, uint8_t *data, size_t capacity) {
    size_t count = 0;
    while (count < capacity && Serial.available() > 0) {
        data[count++] = static_cast<uint8_t>(Serial.read());
    }
    return count;
}

static size_t write_port(void *, const uint8_t *data, size_t length) {
    const int room = Serial.availableForWrite();
    const size_t fits = room > 0 ? static_cast<size_t>(room) : 0;
    return Serial.write(data, length < fits ? length : fits);
}

static void light(uint32_t colour) {
    ring.fill(colour);
    ring.show();
}

static uint32_t above_least(int32_t thousandths) {
    const int32_t most = thousandths > 1000 ? 1000 : thousandths;
    return most < -1000 ? 0 : static_cast<uint32_t>(most + 1000);
}

static void show_unknown() { light(ring.Color(10, 10, 10)); }

static void on_state(void *, const edge_emo_State *state) {
    const edge_emo_Affect &affect = state->has_expressed ? state->expressed : state->felt;
    state_us = micros();
    if (state->age_ms > OLDEST_MS || !(state->has_expressed || state->has_felt) ||
        !affect.has_valence || !affect.has_arousal) {
        show_unknown();
        return;
    }
    const uint32_t hue = above_least(affect.valence) * RED_TO_GREEN / 2000;
    const uint32_t share = above_least(affect.arousal) * 200 / 2000 + 55;
    const uint32_t value = share * full / 1000;
    light(ring.ColorHSV(static_cast<uint16_t>(hue), 255, static_cast<uint8_t>(value)));
}

static edge_emo_ErrorCode on_config(void *, const edge_emo_Config *config) {
    if (config->has_brightness && config->brightness > 1000) {
        return edge_emo_ErrorCode_BAD_VALUE;
    }
    if (config->has_brightness) {
        full = static_cast<uint16_t>(config->brightness);
    }
    return edge_emo_ErrorCode_OK;
}

static void on_link(void *, bool up) {
    if (!up) {
        show_unknown();
    }
}

void setup() {
    static const ee_transport transport = {read_port, write_port, nullptr};
    static const ee_handlers handlers = {on_state, on_config, on_link, nullptr};
    static const ee_identity identity = {"emotion-ring", "1.0.0", "", nullptr, 0};
    Serial.begin(115200);
    ring.begin();
    show_unknown();
    ee_bridge_init(&bridge, &transport, &handlers, &identity);
}

void loop() {
    ee_bridge_poll(&bridge, micros());
    if (micros() - state_us > OLDEST_US) {
        state_us = micros();
        show_unknown();
    }
}
