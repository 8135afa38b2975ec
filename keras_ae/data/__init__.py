"""Data sources, one a file, and what is read of them.

source          what every source has, and their registry
table           N numbers an event, of npz, npy, HDF5, Parquet and CSV files
images          images of any size
objects         lists of objects, of ROOT and Parquet files
ugt_words       test vectors of the CMS global trigger
adc2021         Level-1 trigger events in the ADC2021 layout, as a source
slots           lists of objects, in the slots of a collection
object_layouts  names of branches in files of known kinds
marks           columns beside the values: weight, parent, label
jagged          lists of different lengths
damage          files that are not whole
stored_arrays   arrays of npz, npy and HDF5 files
parquet_file    columns of Parquet files
root_file       branches of ROOT trees
l1              Level-1 trigger events in the ADC2021 layout
jets            jet images: preprocessing and our own files
top_tagging     the public top-tagging reference set
digits          scikit-learn's digits, and MNIST from the user's file
array_file      events of any network, as arrays in one file
jet_source      jet images, as a source
digit_source    digits and MNIST, as sources
array_source    arrays of any shape, as a source
fingerprint     whether files have changed
observables     what one would cut on without a network
chunk           events as a source gives them, some at a time
dataset         background in three parts and signals, from any source
"""

# Registers the sources.
from keras_ae.data.adc2021 import Adc2021
from keras_ae.data.array_source import ArrayData
from keras_ae.data.digit_source import DigitsData, MnistData
from keras_ae.data.images import Images
from keras_ae.data.jet_source import JetData
from keras_ae.data.objects import Objects
from keras_ae.data.table import Table
from keras_ae.data.ugt_words import UgtWords

__all__ = [
    "Adc2021",
    "ArrayData",
    "DigitsData",
    "Images",
    "JetData",
    "MnistData",
    "Objects",
    "Table",
    "UgtWords",
]
