#include "control/server/connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    peer = ends[0];
    ConnectionLimits limits;
    limits.line_max = 1'000;
    limits.output_max = 2'000'000;
    limits.output_calm = 1'000;
    limits.stall_max_ms = 50;
    connection = std::make_unique<Connection>(ends[1], Peer(), limits);
  }
  ~ConnectionTest() override {
    if (peer >= 0) ::close(peer);
  }
  void write(const std::string& text) const {
    ASSERT_EQ(::write(peer, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Sends the text with the end of a pipe along; returns the other end.
  int write_with_descriptor(std::string text) const {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    iovec piece{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &ends[1], sizeof(int));
    EXPECT_EQ(::sendmsg(peer, &header, 0), static_cast<ssize_t>(text.size()));
    ::close(ends[1]);
    return ends[0];
  }
  // True if nobody holds the other end of the pipe any more.
  static bool is_closed(int end) {
    pollfd one{end, POLLIN, 0};
    return ::poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
  }
  // The lines that have come, with "too long" for those that were skipped.
  std::string lines() const {
    std::string all;
    while (const std::optional<ReceivedLine> line = connection->next_line()) {
      all += "<" + (line->is_too_long ? std::string("too long") : line->text) + ">";
    }
    return all;
  }

  int peer = -1;
  std::unique_ptr<Connection> connection;
};

TEST_F(ConnectionTest, gives_lines_whole_whatever_the_pieces) {
  write("one\ntw");
  EXPECT_TRUE(connection->receive());
  EXPECT_EQ(lines(), "<one>");
  EXPECT_FALSE(connection->has_line());
  write("o\n\nthree\nfo");
  EXPECT_TRUE(connection->receive());
  EXPECT_TRUE(connection->has_line());
  EXPECT_EQ(lines(), "<two><><three>");
  ::shutdown(peer, SHUT_WR);
  EXPECT_TRUE(connection->receive());
  EXPECT_TRUE(connection->input_has_ended());
  EXPECT_EQ(lines(), "<fo>");
}

TEST_F(ConnectionTest, gives_a_descriptor_to_the_line_it_came_with_only) {
  write("first\n");
  const int end = write_with_descriptor("second\n");
  write("third\n");
  EXPECT_TRUE(connection->receive());
  EXPECT_TRUE(connection->receive());
  EXPECT_EQ(connection->next_line()->text, "first");
  EXPECT_EQ(connection->take_descriptor(), -1);
  connection->close_descriptors();
  EXPECT_FALSE(is_closed(end));
  EXPECT_EQ(connection->next_line()->text, "second");
  const int descriptor = connection->take_descriptor();
  EXPECT_GE(descriptor, 0);
  EXPECT_EQ(connection->take_descriptor(), -1);
  ::close(descriptor);
  ::close(end);
}

TEST_F(ConnectionTest, closes_a_descriptor_that_its_line_had_no_use_for) {
  const int end = write_with_descriptor("first, with a descriptor\n");
  write("second\n");
  EXPECT_TRUE(connection->receive());
  EXPECT_TRUE(connection->receive());
  EXPECT_TRUE(connection->next_line());
  EXPECT_FALSE(is_closed(end));
  EXPECT_EQ(connection->next_line()->text, "second");
  EXPECT_TRUE(is_closed(end));
  EXPECT_EQ(connection->take_descriptor(), -1);
  ::close(end);
}

TEST_F(ConnectionTest, takes_nothing_more_for_who_reads_too_little_and_remembers_it) {
  for (int i = 0; i < 100; ++i) connection->send(std::string(100'000, 'x'));
  EXPECT_LE(connection->output_size(), 2'200'000u);
  std::string taken(1 << 16, ' ');
  while (connection->wants_output()) {
    ASSERT_TRUE(connection->flush(1));
    while (::read(peer, taken.data(), taken.size()) > 0) {
    }
  }
  EXPECT_TRUE(connection->has_stalled(1));  // lines are missing
}

TEST_F(ConnectionTest, takes_the_longest_line_and_skips_a_longer_one) {
  write(std::string(1'000, 'a') + "\n" + std::string(1'001, 'b') + "\nnext\n");
  EXPECT_TRUE(connection->receive());
  EXPECT_EQ(lines(), "<" + std::string(1'000, 'a') + "><too long><next>");
}

TEST_F(ConnectionTest, holds_no_more_of_an_endless_line_than_it_needs) {
  for (int i = 0; i < 200; ++i) {
    write(std::string(50'000, 'x'));
    ASSERT_TRUE(connection->receive());
    ASSERT_FALSE(connection->next_line());
    ASSERT_LE(connection->input_size(), 1'000u);
  }
  write("end\nnext\n");
  EXPECT_TRUE(connection->receive());
  EXPECT_EQ(lines(), "<too long><next>");
}

TEST_F(ConnectionTest, reads_nothing_more_while_room_or_an_answer_is_owed) {
  EXPECT_TRUE(connection->wants_input());
  write("a line\n");
  EXPECT_TRUE(connection->receive());
  EXPECT_FALSE(connection->wants_input());
  EXPECT_TRUE(connection->is_ready());
  connection->send(std::string(2'000, 'x'));
  EXPECT_FALSE(connection->is_ready());
  EXPECT_TRUE(connection->flush(1));
  EXPECT_TRUE(connection->is_ready());
  EXPECT_EQ(lines(), "<a line>");
  EXPECT_TRUE(connection->wants_input());
}

TEST_F(ConnectionTest, has_stalled_when_too_much_waits_or_for_too_long) {
  EXPECT_TRUE(connection->flush(1'000));
  connection->send(std::string(1'500'000, 'x'));
  EXPECT_TRUE(connection->flush(1'000));
  EXPECT_TRUE(connection->wants_output());
  EXPECT_FALSE(connection->has_stalled(1'050));
  EXPECT_TRUE(connection->has_stalled(1'051));
  connection->send(std::string(1'500'000, 'x'));
  EXPECT_TRUE(connection->has_stalled(1'000));
}

TEST_F(ConnectionTest, notices_that_the_peer_is_gone) {
  connection->send("hello");
  ::close(peer);
  peer = -1;
  EXPECT_FALSE(connection->flush(1));
}

}  // namespace
}  // namespace sluice
