// Reads events in physical units and prints what the trigger's ports take of them.
//
//     g++ -std=c++11 -O2 example_inputs.cpp -o example_inputs
//     example_inputs < events.txt > hardware.txt
//
// Each line is an event: its numbers in the order of the front end, with white space between them. What is
// printed, with all digits, is a line of tb_data/tb_input_features.dat.
// Exit code 0, 1 if a value of a filled slot is not finite, 2 if a line is no event.

#include "inputs.h"

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <vector>

static std::vector<double> numbers_of(const std::string &line) {
    std::istringstream words(line);
    std::vector<double> numbers;
    for (std::string word; words >> word;) {
        char *end;
        // As NaN and infinities are numbers for it, too.
        numbers.push_back(std::strtod(word.c_str(), &end));
        if (*end != '\0')
            throw std::runtime_error("must hold numbers, got '" + word + "'");
    }
    if (numbers.size() != trigger_inputs::n_values)
        throw std::runtime_error("must hold " + std::to_string(trigger_inputs::n_values) +
                                 " numbers, got " + std::to_string(numbers.size()));
    return numbers;
}

int main() {
    std::cout.precision(17);
    std::size_t n_events = 0;
    for (std::string line; std::getline(std::cin, line); n_events++) {
        try {
            const trigger_inputs::Event event = trigger_inputs::event_of(numbers_of(line).data());
            double numbers[trigger_inputs::n_port_numbers];
            trigger_inputs::port_numbers(event, numbers);
            for (std::size_t i = 0; i < trigger_inputs::n_port_numbers; i++)
                std::cout << (i ? " " : "") << numbers[i];
            std::cout << "\n";
        } catch (const std::invalid_argument &error) {
            std::cerr << "event " << n_events << ": " << error.what() << std::endl;
            return 1;
        } catch (const std::runtime_error &error) {
            std::cerr << "event " << n_events << " " << error.what() << std::endl;
            return 2;
        }
    }
    return 0;
}
