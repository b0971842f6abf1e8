exports.handler = async () => 'of a layer';
