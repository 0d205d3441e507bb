#pragma once

// A flow log as the policy asks for it: of what, which records, in which form, to where
// (product, sections 3 and 7).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/policy/document.h"

namespace sluice {

enum class LogTraffic : std::uint8_t { All, Accept, Reject };  // FL-23

// FL-2.
inline constexpr std::string_view kDefaultLogFormat =
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} "
    "${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

struct FlowLog {
  std::string id;
  std::string resource;  // a VPC, a subnet or an interface
  LogTraffic traffic = LogTraffic::All;
  std::uint32_t interval_s = 600;   // 60 or 600 (FL-11)
  std::string format;               // as written, or kDefaultLogFormat
  std::vector<std::string> fields;  // the names in `format`, in order; every one can be written
  std::string path;                 // absolute; of `file:PATH`
  bool header = false;              // a line of field names begins each file (FL-4)
  // The file is put aside at this size, and so many former ones are kept.
  std::uint32_t rotate_size_mb = 100;
  std::uint32_t rotate_keep = 10;
  Position at;
  Position resource_at;
  Position path_at;
};

// What is known about a field name of `format`.
enum class LogField : std::uint8_t {
  Supported,    // written: all of version 2, some of later ones, our own
  Unsupported,  // AWS has it, we do not write it
  Unknown,
};
LogField classify_log_field(std::string_view name);

// The field names of a format string, or the part of it that is not of the form `${name}`.
struct LogFormat {
  std::vector<std::string> fields;
  std::string bad_part;  // empty: all is well
};
LogFormat parse_log_format(std::string_view format);

}  // namespace sluice
