/* A sketch on this machine: time, serial port, light and sensor are what a test says. */
#include <Adafruit_NeoPixel.h>
#include <Arduino.h>
#include <Wire.h>

#include <deque>

#include SKETCH

static uint32_t clock_us, colour;
static std::deque<uint8_t> to_board, to_host;
static int room = 1 << 20, answers = 1;
static uint8_t asked, written;

uint32_t micros() { return clock_us; }
void delay(uint32_t ms) { clock_us += ms * 1000; }
int analogRead(uint8_t) { return 100; }

SerialPort Serial;
void SerialPort::begin(unsigned long) {}
int SerialPort::available() { return static_cast<int>(to_board.size()); }
int SerialPort::availableForWrite() { return room; }
int SerialPort::read() {
    const uint8_t byte = to_board.front();
    to_board.pop_front();
    return byte;
}
size_t SerialPort::write(const uint8_t *data, size_t length) {
    to_host.insert(to_host.end(), data, data + length);
    room -= static_cast<int>(length);
    return length;
}

TwoWire Wire;
void TwoWire::begin() {}
void TwoWire::beginTransmission(uint8_t) { written = 0; }
size_t TwoWire::write(uint8_t byte) {
    asked = written++ ? asked : byte;
    return 1;
}
uint8_t TwoWire::endTransmission(bool) { return answers ? 0 : 2; }
uint8_t TwoWire::requestFrom(uint8_t, uint8_t length) { return answers ? length : 0; }
int TwoWire::read() { return asked == 0xFF ? 0x15 : asked == 0x04 && answers == 1 ? 1 : 0; }

Adafruit_NeoPixel::Adafruit_NeoPixel(uint16_t, int16_t, uint16_t) {}
void Adafruit_NeoPixel::begin() {}
void Adafruit_NeoPixel::show() {}
void Adafruit_NeoPixel::fill(uint32_t now, uint16_t, uint16_t) { colour = now; }
uint32_t Adafruit_NeoPixel::Color(uint8_t red, uint8_t, uint8_t) { return red; }
uint32_t Adafruit_NeoPixel::ColorHSV(uint16_t hue, uint8_t, uint8_t) { return 65536U + hue; }

extern "C" {
void sketch_setup() { setup(); }
void sketch_loop(uint32_t us) {
    clock_us += us;
    loop();
}
void sketch_feed(const uint8_t *data, size_t length) {
    to_board.insert(to_board.end(), data, data + length);
}
size_t sketch_take(uint8_t *data) {
    size_t length = 0;
    for (; !to_host.empty(); to_host.pop_front()) {
        data[length++] = to_host.front();
    }
    return length;
}
void sketch_room(int bytes) { room = bytes; }
void sketch_sensor(int works) { answers = works; }
uint32_t sketch_colour() { return colour; }
}
