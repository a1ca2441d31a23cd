"""FHiCL: parser, document form, canonical text and the converters of DAQInterface files."""
