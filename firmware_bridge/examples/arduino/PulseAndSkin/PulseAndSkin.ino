// Pulse by a MAX30102 on I2C and skin conductance by a divider on A0, 100 samples a second.
//
// NOT RUN ON A BOARD. Compiled in CI by Debian's compilers against stand-ins of the Arduino headers.
// Registers: Maxim 19-7740. Not a medical device. Wiring: ../../WIRING.md.
#include <Arduino.h>
#include <Wire.h>
#include <edge_emo_bridge.h>

static const uint8_t MAX30102 = 0x57;
static const uint8_t INTERRUPTS = 0x00, FIFO_WRITE = 0x04, FIFO_READ = 0x06, FIFO_DATA = 0x07;
static const uint8_t FIFO_CONFIG = 0x08, MODE = 0x09, SPO2 = 0x0A, RED = 0x0C, INFRARED = 0x0D;
static const uint8_t PART_ID = 0xFF, PART = 0x15;
static const uint32_t PERIOD_US = 10000;
static const uint32_t RETRY_US = 1000000;
static const uint8_t CHUNK = 10, CHANNELS = 2;
static const uint8_t EMPTY_PERIODS = 20;         // without a new count: the sensor restarted
static const uint8_t SKIN_PIN = A0;
static const int32_t FULL_SCALE = 1023;          // of the converter; 4095 on an ESP32
static const int32_t DIVIDER_US_1000 = 10000;    // 1 / 100 kOhm, in thousandths of a microsiemens

static ee_bridge bridge;
static bool has_pulse, is_told;
static uint32_t tried_us;
static uint32_t taken, next_us, first_us;
static int32_t counts[CHUNK * CHANNELS];

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

static void put(uint8_t at, uint8_t value) {
    Wire.beginTransmission(MAX30102);
    Wire.write(at);
    Wire.write(value);
    Wire.endTransmission();
}

static bool get(uint8_t at, uint8_t *to, uint8_t length) {
    Wire.beginTransmission(MAX30102);
    Wire.write(at);
    if (Wire.endTransmission(false) != 0 || Wire.requestFrom(MAX30102, length) != length) {
        return false;
    }
    for (uint8_t i = 0; i < length; i++) {
        to[i] = static_cast<uint8_t>(Wire.read());
    }
    return true;
}

// Red and infrared at 100 samples a second, 18 bits, 4096 nA, about 6 mA for each light.
static bool begin_pulse() {
    uint8_t part = 0;
    if (!get(PART_ID, &part, 1) || part != PART) {
        return false;
    }
    put(MODE, 0x40);  // reset
    delay(10);
    put(FIFO_WRITE, 0);
    put(FIFO_READ, 0);
    put(FIFO_CONFIG, 0x10);  // no averaging; the oldest is overwritten
    put(SPO2, 0x27);
    put(RED, 0x20);
    put(INFRARED, 0x20);
    put(MODE, 0x03);
    uint8_t cleared = 0;
    return get(INTERRUPTS, &cleared, 1);
}

// The newest infrared count; blood absorbs, so less light is more blood: the sign is turned.
static bool read_pulse(int32_t *pulse) {
    static uint8_t empty;
    uint8_t raw[6];
    uint8_t written = 0, read = 0;
    if (!get(FIFO_WRITE, &written, 1) || !get(FIFO_READ, &read, 1)) {
        return false;
    }
    empty = written == read ? empty + 1 : 0;
    if (empty >= EMPTY_PERIODS) {
        empty = 0;
        return false;
    }
    for (uint8_t waiting = (written - read) & 31; waiting > 0; waiting--) {
        if (!get(FIFO_DATA, raw, sizeof raw)) {
            return false;
        }
        *pulse = -static_cast<int32_t>((static_cast<uint32_t>(raw[3] & 3) << 16) |
                                       (static_cast<uint32_t>(raw[4]) << 8) | raw[5]);
    }
    return true;
}

// Conductance in thousandths of a microsiemens: the skin lies between the supply and A0, 100 kOhm
// between A0 and ground, so G = 1 / 100 kOhm * n / (full - n).
static int32_t read_skin() {
    const int32_t n = analogRead(SKIN_PIN);
    return n >= FULL_SCALE ? 0 : DIVIDER_US_1000 * n / (FULL_SCALE - n);
}

static void measure() {
    static int32_t pulse;
    const uint8_t at = static_cast<uint8_t>(taken % CHUNK);
    if (static_cast<int32_t>(micros() - next_us) < 0) {
        return;
    }
    if (at == 0) {
        first_us = next_us;
    }
    has_pulse = has_pulse && read_pulse(&pulse);
    counts[at * CHANNELS] = pulse;
    counts[at * CHANNELS + 1] = read_skin();
    next_us += PERIOD_US;
    taken++;
    if (taken % CHUNK == 0) {
        ee_bridge_samples(&bridge, 0, taken - CHUNK, first_us, counts, CHUNK * CHANNELS);
    }
}

// Tells of a sensor that fails as soon as the line has room, and tries it again once a second.
static void mend() {
    is_told = !has_pulse && (is_told || ee_bridge_error(&bridge, edge_emo_ErrorCode_SENSOR,
                                                        "MAX30102 does not answer"));
    if (!has_pulse && micros() - tried_us >= RETRY_US) {
        has_pulse = begin_pulse();
        tried_us = micros();
    }
}

static void on_link(void *, bool) { is_told = false; }

void setup() {
    static edge_emo_SensorStream stream;
    static const ee_transport transport = {read_port, write_port, nullptr};
    static const ee_handlers handlers = {nullptr, nullptr, on_link, nullptr};
    static const ee_identity identity = {"pulse-and-skin", "1.0.0", "", &stream, 1};
    stream.kind = edge_emo_SensorKind_SENSOR_BODY;
    stream.rate_mhz = 100000;
    stream.channels_count = CHANNELS;
    strcpy(stream.channels[0].name, "bvp");
    strcpy(stream.channels[1].name, "eda");
    strcpy(stream.channels[1].unit, "uS");
    stream.channels[1].scale = 0.001F;
    Serial.begin(115200);
    Wire.begin();
#ifdef WIRE_HAS_TIMEOUT
    Wire.setWireTimeout(3000, true);  // a wire that is held low must not hold the board
#endif
    has_pulse = begin_pulse();
    next_us = micros();
    ee_bridge_init(&bridge, &transport, &handlers, &identity);
}

void loop() {
    ee_bridge_poll(&bridge, micros());
    measure();
    mend();
}
