/* Stand-in for the Adafruit NeoPixel library: what the sketches use, for compiling only. */
#pragma once
#include <stdint.h>

#define NEO_GRB 0x52
#define NEO_KHZ800 0x0000

class Adafruit_NeoPixel {
  public:
    Adafruit_NeoPixel(uint16_t pixels, int16_t pin, uint16_t type);
    void begin();
    void show();
    void fill(uint32_t colour, uint16_t first = 0, uint16_t count = 0);
    static uint32_t Color(uint8_t red, uint8_t green, uint8_t blue);
    static uint32_t ColorHSV(uint16_t hue, uint8_t saturation, uint8_t value);
};
