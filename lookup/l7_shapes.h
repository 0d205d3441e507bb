#pragma once

// The shape tests of identification: does what a pattern nominated hold together?
//
// An expression sees bytes; these see lengths that agree, bits that are reserved, numbers that
// exist. Each test reads some tens of bytes, never beyond the input, and takes no memory. Once a
// test has said Yes or No of a TCP stream, more of that stream does not change it.

#include <cstdint>

#include "lookup/l7_app.h"
#include "lookup/l7_identify.h"

namespace sluice {

enum class L7Fit : std::uint8_t {
  No,
  NeedMore,  // of a TCP stream: nothing speaks against it so far
  Yes,
};

constexpr L7Fit yes_if(bool holds) { return holds ? L7Fit::Yes : L7Fit::No; }

// Yes for applications whose patterns already say all.
L7Fit shape_of(App app, const L7Input& input);

}  // namespace sluice
