#pragma once

// For tests with real DPDK devices: a process of their own, a folder of their own, captures to
// receive.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace sluice {

// Runs the body in a child; what it expected and did not get fails the test.
inline void in_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(100);
    body();
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A capture of `count` UDP packets over IPv4, all between different ports; `first_port` keeps two
// captures apart.
inline std::string write_capture(const std::string& path, unsigned count,
                                 std::uint16_t first_port) {
  std::ofstream file(path, std::ios::binary);
  const std::uint32_t header[] = {0xa1b2c3d4u, 0x00040002u, 0, 0, 65'535, 1};
  file.write(reinterpret_cast<const char*>(header), sizeof(header));
  for (unsigned i = 0; i < count; ++i) {
    std::uint8_t packet[60] = {2,  0, 0, 0, 0, 2,  2,  0, 0, 0,  0, 1, 8, 0,  0x45, 0, 0,
                               46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0,    0, 2};
    const auto port = static_cast<std::uint16_t>(first_port + i);
    packet[34] = static_cast<std::uint8_t>(port >> 8);
    packet[35] = static_cast<std::uint8_t>(port);
    packet[37] = 53;
    packet[39] = 26;
    std::uint32_t sum = 0;
    for (int at = 14; at < 34; at += 2) sum += packet[at] * 256u + packet[at + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    packet[24] = static_cast<std::uint8_t>(~sum >> 8);
    packet[25] = static_cast<std::uint8_t>(~sum);
    const std::uint32_t record[] = {1'700'000'000, i, sizeof(packet), sizeof(packet)};
    file.write(reinterpret_cast<const char*>(record), sizeof(record));
    file.write(reinterpret_cast<const char*>(packet), sizeof(packet));
  }
  return path;
}

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/sluice-engine-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace sluice
